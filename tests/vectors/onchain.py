"""Swaps that the real programs executed, as files: accounts before, instruction, and what happened."""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import AccountMeta, Instruction
from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm.swaps import Exact, Swap, TokenIndex

EPOCH: Final = 800
PARTIAL_FILL: Final = "partial_fill"
TOKENS: Final[tuple[TokenIndex, TokenIndex]] = (0, 1)


def unpacked(text: str) -> bytes:
    """Account data: base64 of zlib, or nothing."""
    return zlib.decompress(base64.b64decode(text, validate=True)) if text else b""


@dataclass(frozen=True, slots=True)
class Case:
    """One swap.

    Attributes:
        after: The accounts after it; those that the file does not name are as before.
        error: As JSON-RPC has it, None if the swap succeeded.
        amounts: What left and reached the trader's accounts, None if nothing did.
    """

    name: str
    kind: str
    program: SwapProgram
    program_id: Pubkey
    pool: Pubkey
    accounts: Mapping[Pubkey, Account]
    after: Mapping[Pubkey, Account]
    clock: ClockSysvar
    request: Swap
    threshold: int
    is_partial: bool
    instruction_name: str
    instruction: Instruction
    error: Any
    log: str | None
    events: tuple[bytes, ...]
    amounts: tuple[int, int] | None
    model: Mapping[str, Any] | None
    quote: Mapping[str, Any] | None


def cases_of(path: Path) -> Iterator[Case]:
    """Read a file of cases.

    Raises:
        KeyError, TypeError, ValueError: It is not in the format.
    """
    file = json.loads(path.read_text(encoding="utf-8"))
    program, program_id = SwapProgram(file["program"]), pubkey(file["program_id"])
    stored = [
        Account(pubkey(owner), lamports, unpacked(data)) for owner, lamports, _, data in file["accounts"]
    ]
    for case in file["cases"]:
        yield _case(case, program, program_id, stored)


def _case(case: Mapping[str, Any], program: SwapProgram, program_id: Pubkey, stored: list[Account]) -> Case:
    accounts = {pubkey(key): stored[index] for key, index in case["accounts"].items()}
    result = case["result"]
    is_ok = result["ok"]
    mode = Exact.OUT if case["side"] == Exact.OUT.value else Exact.IN
    clock = ClockSysvar(case["clock"]["slot"], EPOCH, case["clock"]["unix"])
    token_in = TOKENS[case["token_in"]]
    differs = case.get("model_differs", False)
    return Case(
        name=case["id"],
        kind=case["kind"],
        program=program,
        program_id=program_id,
        pool=pubkey(case["pool"]),
        accounts=accounts,
        after=accounts | (_patched(accounts, result["after"]) if is_ok else {}),
        clock=clock,
        request=Swap(mode, int(case["amount"]), token_in, clock.unix_timestamp, clock.slot),
        threshold=int(case["threshold"]),
        is_partial=case["side"] == PARTIAL_FILL,
        instruction_name=case.get("instruction_name", ""),
        instruction=Instruction(
            program_id,
            tuple(
                AccountMeta(pubkey(key), "s" in flags, "w" in flags)
                for key, flags in case["instruction"]["accounts"]
            ),
            base64.b64decode(case["instruction"]["data"], validate=True),
        ),
        error=None if is_ok else result["error"],
        log=None if is_ok else result["log"],
        events=tuple(base64.b64decode(data, validate=True) for _, data in result["events"]) if is_ok else (),
        amounts=(int(case["paid"]), int(case["received"])) if is_ok else None,
        model=case.get("model"),
        quote=None if differs else case.get("quote"),
    )


def _patched(before: Mapping[Pubkey, Account], after: Mapping[str, Any]) -> dict[Pubkey, Account]:
    patched: dict[Pubkey, Account] = {}
    for text, changes in after.items():
        key = pubkey(text)
        patches = changes["patches"] if isinstance(changes, dict) else changes
        data = bytearray(before[key].data)
        for offset, new in patches:
            raw = base64.b64decode(new, validate=True)
            data[offset : offset + len(raw)] = raw
        patched[key] = before[key]._replace(data=bytes(data))
    return patched
