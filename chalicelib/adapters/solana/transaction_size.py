"""How much a node may tell of one transaction: what goes beyond it is none's, and made to take long to read.

Keys and data in base58 are what takes long: without a bound an answer of 32 MiB keeps a process busy for a
minute. Shapes are not judged here, but where the parts are read.
"""

from typing import Any, Final

from chalicelib.adapters.solana.rpc_errors import MalformedResultError

KEYS_MAX: Final = 256
"""An account's place in a message is a byte."""

INSTRUCTIONS_MAX: Final = 256
"""Outer ones, and calls within them all: the runtime carries out 64 in all."""

LOG_LINES_MAX: Final = 20_000
LOG_CHARACTERS_MAX: Final = 2_500_000
"""Nodes keep 10,000 bytes, unless they are told to keep all: the 1.4 million compute units that a transaction
has at most pay for 14,000 lines, or for as many bytes as units, which base64 makes a third more of."""


def check_size(result: dict[str, Any]) -> None:
    """Accept what a node tells of a transaction if it is no more than one can hold.

    Raises:
        MalformedResultError: It is more.
    """
    meta, message = _object(result, "meta"), _object(_object(result, "transaction"), "message")
    loaded = _object(meta, "loadedAddresses")
    keys = _list(message, "accountKeys"), _list(loaded, "writable"), _list(loaded, "readonly")
    balances = _list(meta, "preTokenBalances"), _list(meta, "postTokenBalances")
    inner, logs = _list(meta, "innerInstructions"), _list(meta, "logMessages")
    is_small = (
        max(map(len, (*keys, *balances))) <= KEYS_MAX
        and max(len(inner), len(_list(message, "instructions"))) <= INSTRUCTIONS_MAX
        and sum(len(_list(group, "instructions")) for group in inner) <= INSTRUCTIONS_MAX
        and len(logs) <= LOG_LINES_MAX
        and sum(len(line) for line in logs if isinstance(line, str)) <= LOG_CHARACTERS_MAX
    )
    if not is_small:
        raise MalformedResultError("more is told of a transaction than one can hold")


def _object(record: Any, name: str) -> dict[str, Any]:
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, dict) else {}


def _list(record: Any, name: str) -> list[Any]:
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, list) else []
