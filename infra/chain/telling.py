"""A rewritten transaction's log and inner instructions, as if the swap programs themselves had run."""

import base64
from typing import Any

from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.programs import COMPUTE_BUDGET
from infra.chain.amm.anchor import Executed, ProgramError
from infra.chain.logs import by_instruction, deeper
from infra.chain.outcomes import Inner
from infra.chain.rewriting import BUDGET_INSTRUCTIONS, Rewritten
from infra.chain.transactions import Transaction

_UNITS_OF_A_REFUSAL = 10_000


def told(
    transaction: Transaction,
    made: Rewritten,
    ran_as: tuple[VersionedTransaction, TransactionMetadata],
    failed_at: int | None,
) -> tuple[dict[int, tuple[Inner, ...]], tuple[str, ...]]:
    """Return inner instructions by outer one, and the log.

    Args:
        ran_as: What the machine ran, and what it says of it.
        failed_at: The instruction that ended the transaction, if one did.
    """
    message, meta = ran_as[0].message, ran_as[1]
    ran = by_instruction(meta.logs())[BUDGET_INSTRUCTIONS:]
    calls = meta.inner_instructions()[BUDGET_INSTRUCTIONS:]
    keys = tuple(Pubkey(bytes(key)) for key in message.account_keys)
    inner: dict[int, tuple[Inner, ...]] = {}
    lines: list[str] = []
    last = len(transaction.instructions) - 1 if failed_at is None else failed_at
    for index, instruction in enumerate(transaction.instructions[: last + 1]):
        places = [at for at, origin in enumerate(made.origins) if origin == index and at < len(ran)]
        parts = [ran[at] for at in places]
        below = [[called(one, keys) for one in calls[at]] if at < len(calls) else [] for at in places]
        is_last = index == failed_at
        failure = made.failure if made.failure is not None and made.failure[0] == index else None
        if instruction.program == COMPUTE_BUDGET:
            name = address_of(COMPUTE_BUDGET)
            lines += [f"Program {name} invoke [1]", f"Program {name} success"]
        elif index in made.swaps or failure is not None:
            swap, error = made.swaps.get(index), failure and failure[1]
            lines += _log(instruction, swap, parts, transaction.budget.units, error, is_last=is_last)
            steps = [made.instructions[at] for at in places]
            found = _calls(instruction, swap, steps, below, is_last=is_last)
            if found:
                inner[index] = found
        else:
            lines += [line for part in parts for line in part]
            if any(below):
                inner[index] = tuple(one for many in below for one in many)
    return inner, tuple(lines)


def called(one: Any, keys: tuple[Pubkey, ...]) -> Inner:
    """Return an instruction that a program called, from the machine's account of it."""
    compiled = one.instruction()
    return Inner(
        keys[compiled.program_id_index],
        tuple(keys[at] for at in bytes(compiled.accounts)),
        bytes(compiled.data),
        one.stack_height() or 2,
    )


def _calls(
    instruction: Instruction,
    swap: Executed | None,
    transfers: list[Instruction],
    below: list[list[Inner]],
    *,
    is_last: bool,
) -> tuple[Inner, ...]:
    """The token transfers that stood at the top, one level down, and the program's calls of itself."""
    calls: list[Inner] = []
    for transfer, deep in zip(transfers, below, strict=True):
        accounts = tuple(meta.key for meta in transfer.accounts)
        calls.append(Inner(transfer.program, accounts, transfer.data, 2))
        calls += [Inner(one.program, one.accounts, one.data, one.height + 1) for one in deep]
    if swap is not None and swap.cpi_events and not is_last:
        # The event authority stands right before the program in the accounts of those that call themselves.
        programs = [at for at, meta in enumerate(instruction.accounts) if meta.key == instruction.program]
        authority = instruction.accounts[programs[-1] - 1].key
        calls += [Inner(instruction.program, (authority,), data, 2) for data in swap.cpi_events]
    return tuple(calls)


def _log(
    instruction: Instruction,
    swap: Executed | None,
    parts: list[list[str]],
    limit: int,
    error: ProgramError | None,
    *,
    is_last: bool,
) -> list[str]:
    program = address_of(instruction.program)
    lines = [f"Program {program} invoke [1]"]
    units = _UNITS_OF_A_REFUSAL
    if swap is not None:
        units = swap.units
        lines.append(f"Program log: Instruction: {swap.name}")
        lines += [line for part in parts for line in deeper(part)]
        if not is_last:
            lines += [f"Program data: {base64.b64encode(event).decode()}" for event in swap.log_events]
            for _ in swap.cpi_events:
                lines += [f"Program {program} invoke [2]", f"Program {program} success"]
    consumed = f"Program {program} consumed {min(units, limit)} of {limit} compute units"
    if not is_last:
        return [*lines, consumed, f"Program {program} success"]
    if error is None:
        reasons = [line.split(" failed: ", 1)[1] for part in parts for line in part if " failed: " in line]
        reason = reasons[-1] if reasons else "exceeded CUs meter at BPF instruction"
    elif error.number is None:
        lines.append(f"Program log: {error.message}")
        reason = error.name
    else:
        lines.append(error.log())
        reason = f"custom program error: {hex(error.number)}"
    return [*lines, consumed, f"Program {program} failed: {reason}"]
