"""Files of the Solana adapter's vectors: which kind one is, and everything in it checked."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters import base58
from chalicelib.adapters.solana import instructions as helpers
from chalicelib.adapters.solana.instructions import AccountMeta, Instruction
from chalicelib.adapters.solana.keys import Pubkey, pubkey
from chalicelib.adapters.solana.messages import (
    CompiledMessage,
    LookupTable,
    V1Config,
    legacy_message,
    v0_message,
    v1_message,
)
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.signing import Sign, sign
from tests.vectors.accounts import decoded
from tests.vectors.onchain import cases_of, unpacked
from tests.vectors.onchain_checks import Finding, findings
from tests.vectors.rpc_exchanges import exchange_findings

Problem = tuple[str, str]
"""Which vector, and what is different."""


class Tally:
    """What was checked, by kind of check, and the problems found."""

    def __init__(self) -> None:
        self.vectors = 0
        self.checks: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def add(self, name: str, found: Iterator[Finding]) -> None:
        self.vectors += 1
        texts = []
        for check, text, agrees in found:
            self.checks[check] += 1
            if not agrees:
                texts.append(f"{check}: {text}")
        if texts:
            self.problems.append((name, "; ".join(texts)))


def check_object(path: Path, file: Mapping[str, Any]) -> Tally:
    """Check a file that holds an object.

    Raises:
        KeyError, TypeError, ValueError, zlib.error: It is in none of the formats.
    """
    for mark, check in _FORMATS.items():
        if mark in file:
            return check(path, file)
    raise ValueError(f"an object without any of {', '.join(_FORMATS)}")


def _cases(path: Path, file: Mapping[str, Any]) -> Tally:
    del file  # read once more, by what also serves the tests
    tally = Tally()
    for case in cases_of(path):
        tally.add(case.name, findings(case))
    return tally


def _decodings(path: Path, file: Mapping[str, Any]) -> Tally:
    del path
    tally = Tally()
    for position, vector in enumerate(file["vectors"]):
        actual = decoded(vector["kind"], pubkey(vector["owner"]), unpacked(vector["data"]))
        tally.add(f"[{position}] {vector['kind']}", _fields(vector["fields"], actual))
    return tally


def _exchanges(path: Path, file: Mapping[str, Any]) -> Tally:
    del path
    tally = Tally()
    for position, exchange in enumerate(file["exchanges"]):
        tally.add(f"[{position}] {exchange['call']}", exchange_findings(exchange, file["expect"]))
    return tally


def _fields(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Finding]:
    for name, value in expected.items():
        if name in actual:
            yield (
                "field",
                f"{name}: expected {value}, got {actual[name]}"[:300],
                _text(value) == _text(actual[name]),
            )


def _text(value: Any) -> str:
    return json.dumps(value, default=list).replace('"', "")


def _transactions(path: Path, file: Mapping[str, Any]) -> Tally:
    del path
    tally = Tally()
    for helper in file["helpers"]:
        built = _HELPERS[helper["name"]](helper["args"])
        agrees = built == _instruction(helper["instruction"])
        tally.add(helper["name"], iter([("helper", f"got {built}", agrees)]))
    for position, transaction in enumerate(file["transactions"]):
        tally.add(f"[{position}] {transaction['version']}", _transaction(transaction))
    return tally


def _transaction(vector: Mapping[str, Any]) -> Iterator[Finding]:
    seeds = [vector["fee_payer_seed"], vector["other_signer_seed"]]
    signers = dict(_signer(bytes.fromhex(seed)) for seed in seeds if seed)
    message = _message(vector, next(iter(signers)))
    yield "message", f"got {message.raw.hex()}", message.raw == base64.b64decode(vector["message"])
    signed = sign(message, signers)
    signatures = [base58.encode(signers[key](message.raw)) for key in message.signers]
    yield "signature", f"got {signatures}", signatures == vector["signatures"]
    yield "signature", f"it is named {signed.signature}", signed.signature == vector["signatures"][0]
    yield "wire", f"got {signed.wire.hex()}", signed.wire == base64.b64decode(vector["wire"])


def _message(vector: Mapping[str, Any], payer: Pubkey) -> CompiledMessage:
    instructions = [_instruction(instruction) for instruction in vector["instructions"]]
    blockhash = pubkey(vector["blockhash"])
    match vector["version"]:
        case "legacy":
            return legacy_message(payer, instructions, blockhash)
        case 0:
            tables = [
                LookupTable(pubkey(table["address"]), tuple(map(pubkey, table["addresses"])))
                for table in vector["lookup_tables"]
            ]
            return v0_message(payer, instructions, blockhash, tables)
        case 1:
            return v1_message(payer, instructions, blockhash, V1Config(**vector["config"]))
    raise ValueError(f"version {vector['version']}")


def _signer(seed: bytes) -> tuple[Pubkey, Sign]:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return Pubkey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), key.sign


def _instruction(vector: Mapping[str, Any]) -> Instruction:
    accounts = tuple(
        AccountMeta(pubkey(key), "s" in flags, "w" in flags) for key, flags in vector["accounts"]
    )
    return Instruction(pubkey(vector["program"]), accounts, base64.b64decode(vector["data"]))


def _keys(arguments: Mapping[str, Any], *names: str) -> list[Pubkey]:
    return [pubkey(arguments[name]) for name in names]


_HELPERS: Final[dict[str, Callable[[Mapping[str, Any]], Instruction]]] = {
    "compute_budget.set_compute_unit_limit": lambda a: helpers.compute_unit_limit(a["units"]),
    "compute_budget.set_compute_unit_price": lambda a: helpers.compute_unit_price(a["micro_lamports"]),
    "compute_budget.set_loaded_accounts_data_size_limit": lambda a: helpers.loaded_accounts_data_size_limit(
        a["bytes"]
    ),
    "compute_budget.request_heap_frame": lambda a: helpers.heap_frame(a["bytes"]),
    "system.transfer": lambda a: helpers.transfer_lamports(
        pubkey(a["source"]), pubkey(a["to"]), a["lamports"]
    ),
    "ata.create_idempotent": lambda a: helpers.create_token_account(
        *_keys(a, "payer", "owner", "mint", "token_program")
    ),
    "token.sync_native": lambda a: helpers.sync_native(pubkey(a["account"])),
    "token.close_account": lambda a: helpers.close_token_account(
        *_keys(a, "account", "destination", "owner")
    ),
    "token.transfer_checked": lambda a: helpers.transfer_checked(
        *_keys(a, "source", "mint", "destination", "owner"), amount=a["amount"], decimals=a["decimals"]
    ),
    "memo.memo": lambda a: helpers.memo(a["text"], pubkey(a["signer"])),
}

_FORMATS: Final[dict[str, Callable[[Path, Mapping[str, Any]], Tally]]] = {
    "cases": _cases,
    "vectors": _decodings,
    "transactions": _transactions,
    "exchanges": _exchanges,
}
FORMAT_ERRORS: Final = (KeyError, TypeError, ValueError, zlib.error, StopIteration, AttributeError, NodeError)
