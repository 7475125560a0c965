"""What a transaction holds at the most is read, and what holds more is not."""

from typing import Any

import pytest

from chalicelib.adapters import base58
from chalicelib.adapters.solana.rpc_answers import transaction
from chalicelib.adapters.solana.rpc_errors import MalformedResultError
from chalicelib.adapters.solana.transaction_size import (
    INSTRUCTIONS_MAX,
    KEYS_MAX,
    LOG_CHARACTERS_MAX,
    LOG_LINES_MAX,
    check_size,
)

KEY = "So11111111111111111111111111111111111111112"
CALL = {"programIdIndex": 0, "accounts": [], "data": ""}
BALANCE = {"accountIndex": 0, "mint": KEY, "uiTokenAmount": {"amount": "5"}}


def a_transaction(*, keys: int = 1, calls: int = 1, **meta: Any) -> dict[str, Any]:
    message = {"accountKeys": [KEY] * keys, "instructions": [CALL] * calls}
    lamports = [1] * keys
    shown = {"fee": 5_000, "err": None, "preBalances": lamports, "postBalances": lamports, **meta}
    return {"slot": 7, "meta": shown, "transaction": {"message": message}}


def called(times: int) -> list[Any]:
    """So many calls, in two groups."""
    return [{"index": 0, "instructions": [CALL]}, {"index": 1, "instructions": [CALL] * (times - 1)}]


def test_transaction_of_as_much_as_one_can_hold_is_read() -> None:
    most = a_transaction(
        keys=KEYS_MAX,
        calls=INSTRUCTIONS_MAX,
        preTokenBalances=[BALANCE] * KEYS_MAX,
        postTokenBalances=[BALANCE] * KEYS_MAX,
        innerInstructions=called(INSTRUCTIONS_MAX),
        logMessages=["x" * (LOG_CHARACTERS_MAX // LOG_LINES_MAX)] * LOG_LINES_MAX,
    )
    read = transaction(most)
    assert read is not None
    assert (len(read.keys), len(read.outer), len(read.logs)) == (KEYS_MAX, INSTRUCTIONS_MAX, LOG_LINES_MAX)


@pytest.mark.parametrize("logs", [["x" * 100] * 14_000, ["x" * 1_400_000 + "=" * 466_668]])
def test_all_the_log_that_compute_units_pay_for_is_read(logs: list[str]) -> None:
    read = transaction(a_transaction(logMessages=logs))
    assert read is not None
    assert read.logs == tuple(logs)


def test_longest_call_within_one_that_the_runtime_allows_makes_no_transaction_unreadable() -> None:
    """Strangers' transactions that name a wallet of ours are read: one would hold up what waits for it."""
    longest = {**CALL, "data": base58.encode(b"\xff" * 10_240)}
    short = {**CALL, "data": base58.encode(b"event")}
    read = transaction(a_transaction(innerInstructions=[{"index": 0, "instructions": [longest, short]}]))
    assert read is not None
    assert [one.data for one in read.inner[0]] == [b"", b"event"]


@pytest.mark.parametrize(
    "told",
    [
        a_transaction(keys=KEYS_MAX + 1),
        a_transaction(loadedAddresses={"writable": [KEY] * (KEYS_MAX + 1), "readonly": []}),
        a_transaction(loadedAddresses={"writable": [], "readonly": [KEY] * (KEYS_MAX + 1)}),
        a_transaction(preTokenBalances=[BALANCE] * (KEYS_MAX + 1)),
        a_transaction(postTokenBalances=[BALANCE] * (KEYS_MAX + 1)),
        a_transaction(calls=INSTRUCTIONS_MAX + 1),
        a_transaction(innerInstructions=[{"index": 0, "instructions": []}] * (INSTRUCTIONS_MAX + 1)),
        a_transaction(innerInstructions=called(INSTRUCTIONS_MAX + 1)),
        a_transaction(logMessages=["x"] * (LOG_LINES_MAX + 1)),
        a_transaction(logMessages=["x" * (LOG_CHARACTERS_MAX + 1)]),
    ],
)
def test_transaction_of_more_than_one_can_hold_is_not_read(told: dict[str, Any]) -> None:
    with pytest.raises(MalformedResultError, match="more is told of a transaction"):
        transaction(told)


@pytest.mark.parametrize(
    "odd", [{}, {"meta": 5, "transaction": []}, {"meta": {"innerInstructions": [7, None]}}]
)
def test_shapes_are_judged_where_they_are_read(odd: dict[str, Any]) -> None:
    check_size(odd)
