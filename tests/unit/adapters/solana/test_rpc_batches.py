"""What an answer to several calls at once says of each of them."""

import json
from typing import Any

import pytest

from chalicelib.adapters.solana.rpc_batches import BatchRefusedError, body_of, one_by_one, results_of
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import (
    NodeError,
    RateLimitedError,
    RpcError,
    SilentNodeError,
    UnreadableAnswerError,
)

CALLS = [RpcCall("a", ()), RpcCall("b", (1,)), RpcCall("c", ())]


def results(answer: Any, *, status: int = 200, count: int = 2) -> list[Any]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return results_of(status, body, None, count, 0)


def test_calls_ids_count_on_from_the_first_ones() -> None:
    assert [(one["id"], one["method"], one["params"]) for one in json.loads(body_of(CALLS, 26))] == [
        (26, "a", []),
        (27, "b", [1]),
        (28, "c", []),
    ]


def test_answer_to_calls_of_another_request_is_none() -> None:
    body = json.dumps([{"id": 1, "result": "a"}, {"id": 27, "result": "b"}]).encode()
    first, second = results_of(200, body, None, 2, 26)
    assert (isinstance(first, UnreadableAnswerError), second) == (True, "b")


def test_ids_may_come_back_as_texts() -> None:
    body = json.dumps([{"id": "27", "result": "b"}, {"id": 26, "result": "a"}]).encode()
    assert results_of(200, body, None, 2, 26) == ["a", "b"]


def test_error_of_one_call_leaves_the_others_their_results() -> None:
    failed = {"id": 0, "error": {"code": -32602, "message": "no"}}
    first, second = results([failed, {"id": 1, "result": None}])
    assert isinstance(first, RpcError)
    assert second is None


def test_rate_limit_of_one_call_is_heard() -> None:
    first, _ = results([{"id": 0, "error": {"code": 429, "message": "slow"}}, {"id": 1, "result": 1}])
    assert isinstance(first, RateLimitedError)


@pytest.mark.parametrize("missing", [[], [{"id": True, "result": 1}], [{"id": "b", "result": 1}], [7]])
def test_call_without_an_answer_of_its_own_is_unknown(missing: list[Any]) -> None:
    first, second = results([{"id": 0, "result": "a"}, *missing])
    assert first == "a"
    assert isinstance(second, UnreadableAnswerError)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"error": {"code": -32600, "message": "Invalid request"}}),
        (200, {"error": {"code": -32000, "message": "no batches"}}),
        (200, {"result": 1}),
        (400, b"no"),
        (405, b"<html>"),
    ],
)
def test_answer_to_the_request_as_a_whole_refuses_batches(status: int, answer: Any) -> None:
    with pytest.raises(BatchRefusedError):
        results(answer, status=status)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b'{"result":'),
        (200, b"[" * 100_000),
        (503, b"<html>"),
        (503, [{"id": 0, "result": 1}]),
        (200, {"error": {"code": -32005, "message": "behind"}}),
        (200, {"error": {"code": 429, "message": "slow"}}),
        (429, []),
    ],
)
def test_node_that_is_unwell_or_limits_us_does_not_refuse_batches(status: int, answer: Any) -> None:
    with pytest.raises(NodeError) as error:
        results(answer, status=status)
    assert not isinstance(error.value, BatchRefusedError)


@pytest.mark.parametrize("error", [RateLimitedError(1), SilentNodeError("nothing")])
def test_one_by_one_ends_where_the_node_limits_us_or_is_silent(error: NodeError) -> None:
    asked = []

    def call(one: RpcCall, *, time_limit_s: float) -> str:
        assert time_limit_s > 0
        asked.append(one.method)
        if one.method == "b":
            raise error
        return one.method

    assert one_by_one(call, CALLS, time_limit_s=5) == ["a", error, error]
    assert asked == ["a", "b"]


def test_one_by_one_goes_on_after_an_error_of_one_call() -> None:
    refused = RpcError(-32602, "no", None)

    def call(one: RpcCall, *, time_limit_s: float) -> str:
        del time_limit_s
        if one.method == "b":
            raise refused
        return one.method

    assert one_by_one(call, CALLS, time_limit_s=5) == ["a", refused, "c"]


def test_answer_that_is_nested_without_end_is_none() -> None:
    with pytest.raises(UnreadableAnswerError):
        results_of(200, b"[" * 100_000, None, 2, 0)
