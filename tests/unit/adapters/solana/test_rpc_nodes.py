"""Against a server on loopback that answers as nodes do, and with nodes that are none."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chalicelib.adapters.solana.rpc_batches import CALLS_MAX
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import (
    NodeError,
    RateLimitedError,
    Remedy,
    RpcError,
    SilentNodeError,
    UnreadableAnswerError,
)
from chalicelib.adapters.solana.rpc_nodes import RpcNode, RpcNodes

CALL = RpcCall("getEpochInfo", ())


class AServer(BaseHTTPRequestHandler):
    """Answers with what the server holds, and notes what was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        status, headers, answer = self.server.answer  # type: ignore[attr-defined]
        if callable(answer):
            status, answer = answer(self.server.asked[-1][1])  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def a_server(
    status: int, headers: dict[str, str], answer: bytes | Callable[[Any], tuple[int, bytes]]
) -> Iterator[tuple[str, list[Any]]]:
    server = HTTPServer(("127.0.0.1", 0), AServer)
    server.asked, server.answer = [], (status, headers, answer)  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/rpc?api-key=secret", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_call_is_posted_to_the_whole_address_and_its_result_returned() -> None:
    with a_server(200, {}, b'{"jsonrpc":"2.0","id":1,"result":{"epoch":7}}') as (url, asked):
        node = RpcNode(url)
        assert node.call(CALL, time_limit_s=5) == {"epoch": 7}
        node.close()
    assert asked == [
        ("/rpc?api-key=secret", {"jsonrpc": "2.0", "id": 1, "method": "getEpochInfo", "params": []})
    ]


def test_answer_that_comes_once_more_is_not_taken_for_the_next_calls() -> None:
    with a_server(200, {}, b'{"id":1,"result":"first"}') as (url, _):
        node = RpcNode(url)
        assert node.call(CALL, time_limit_s=5) == "first"
        with pytest.raises(UnreadableAnswerError):
            node.call(CALL, time_limit_s=5)
        node.close()


CALLS = [RpcCall("getEpochInfo", ()), RpcCall("getSlot", ())]


def without_batches(status: int, refusal: bytes) -> Callable[[Any], tuple[int, bytes]]:
    def answer(request: Any) -> tuple[int, bytes]:
        if isinstance(request, list):
            return status, refusal
        return 200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": request["method"]}).encode()

    return answer


def test_several_calls_are_one_request_and_answers_are_told_apart_by_their_ids() -> None:
    answers = [{"jsonrpc": "2.0", "id": 2, "result": "b"}, {"jsonrpc": "2.0", "id": 1, "result": "a"}]
    with a_server(200, {}, json.dumps(answers).encode()) as (url, asked):
        node = RpcNode(url)
        assert node.call_all(CALLS, time_limit_s=5) == ["a", "b"]
        node.close()
    assert [[call["method"] for call in request] for _, request in asked] == [["getEpochInfo", "getSlot"]]


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (200, b'{"jsonrpc":"2.0","error":{"code":-32600,"message":"Batch not supported"},"id":null}'),
        (403, b'{"error":"batches are for paying customers"}'),
        (413, b"<html>too large"),
    ],
)
def test_node_that_refuses_batches_is_asked_one_by_one_and_offered_no_other(
    status: int, refusal: bytes
) -> None:
    with a_server(200, {}, without_batches(status, refusal)) as (url, asked):
        node = RpcNode(url)
        for _ in range(2):
            assert node.call_all(CALLS, time_limit_s=5) == ["getEpochInfo", "getSlot"]
        node.close()
    assert [isinstance(request, list) for _, request in asked] == [True, False, False, False, False]


def test_node_that_limits_us_is_not_asked_the_same_one_by_one() -> None:
    with a_server(429, {"Retry-After": "3"}, b"[]") as (url, asked):
        node = RpcNode(url)
        with pytest.raises(RateLimitedError):
            node.call_all(CALLS, time_limit_s=5)
        node.close()
    assert len(asked) == 1


def test_rate_limit_is_heard_with_its_time() -> None:
    with a_server(429, {"Retry-After": "3"}, b"<html>") as (url, _):
        node = RpcNode(url)
        with pytest.raises(RateLimitedError) as limited:
            node.call(CALL, time_limit_s=5)
        node.close()
    assert limited.value.retry_after_s == 3.0


def test_node_that_is_not_there_is_silent_and_its_key_is_not_told() -> None:
    node = RpcNode("http://127.0.0.1:1/rpc?api-key=secret")
    with pytest.raises(SilentNodeError) as silent:
        node.call(CALL, time_limit_s=1)
    assert "secret" not in str(silent.value)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8899", "ftp://host/", "https://", "http://user:password@host/"]
)
def test_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="a node's address is") as refused:
        RpcNode(url)
    assert "password" not in str(refused.value)


class ANode(RpcNode):
    """Answers from a list: results, or errors to raise; then the last one for ever."""

    def __init__(self, name: str, *answers: Any) -> None:
        self.name, self.answers, self.calls = name, list(answers), 0

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:  # noqa: ARG002 - as a node's
        assert time_limit_s > 0
        self.calls += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NodeError):
            raise answer
        return answer


class AClock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.at_s = 100.0
        self.paused: list[float] = []

    def now(self) -> float:
        return self.at_s

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.at_s += seconds


def some_nodes(*nodes: ANode) -> tuple[RpcNodes, AClock]:
    clock = AClock()
    jitter: Callable[[], float] = lambda: 1.0  # noqa: E731 - the whole of it
    return RpcNodes(nodes, now_s=clock.now, pause=clock.pause, jitter=jitter), clock


SILENT = SilentNodeError("nothing")
BEHIND = RpcError(-32005, "behind", None)


@pytest.mark.parametrize("error", [SILENT, BEHIND, RateLimitedError(5)])
def test_next_node_is_asked_at_once_where_one_fails_which_is_named(
    error: NodeError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    nodes, clock = some_nodes(ANode("a", error), ANode("b", "result"))
    assert nodes.ask(CALL, time_limit_s=1) == "result"
    assert sum(clock.paused) == 0
    (line,) = [record.__dict__ for record in caplog.records]
    assert (line["msg"], line["node"], line["reason"]) == ("node passed over", "a", str(error))


def test_node_that_limits_us_is_left_alone_for_as_long_as_it_asks() -> None:
    first, second = ANode("a", RateLimitedError(5), "a"), ANode("b", "b")
    nodes, clock = some_nodes(first, second)
    assert [nodes.ask(CALL, time_limit_s=1) for _ in range(3)] == ["b", "b", "b"]
    assert first.calls == 1
    clock.at_s += 5
    assert nodes.ask(CALL, time_limit_s=1) == "a"


def test_pauses_grow_while_every_node_fails_and_end_with_the_time() -> None:
    nodes, clock = some_nodes(ANode("a", BEHIND))
    with pytest.raises(RpcError):
        nodes.ask(CALL, time_limit_s=2)
    assert [round(seconds, 2) for seconds in clock.paused] == [0.0, 0.25, 0.5, 1.0]


def test_node_that_asks_for_no_pause_while_it_limits_us_is_not_hammered() -> None:
    limiting = ANode("a", RateLimitedError(0.0))
    nodes, _ = some_nodes(limiting)
    with pytest.raises(RateLimitedError):
        nodes.ask(CALL, time_limit_s=2)
    assert limiting.calls == 4


def test_wait_longer_than_the_time_is_not_begun() -> None:
    nodes, clock = some_nodes(ANode("a", RateLimitedError(60)))
    for _ in range(2):
        with pytest.raises(NodeError):
            nodes.ask(CALL, time_limit_s=2)
    assert sum(clock.paused) == 0


def test_error_that_no_other_node_would_mend_is_told_at_once() -> None:
    error = RpcError(-32002, "x", {"err": {"InstructionError": [0, {"Custom": 1}]}})
    second = ANode("b", "result")
    nodes, _ = some_nodes(ANode("a", error), second)
    with pytest.raises(RpcError):
        nodes.ask(CALL, time_limit_s=1)
    assert second.calls == 0
    assert error.remedy is Remedy.REFUSAL


@pytest.mark.parametrize("code", [-32601, -32602])
def test_what_one_node_calls_our_mistake_is_asked_of_the_next_and_it_comes_last_for_a_while(
    code: int,
) -> None:
    """Its plan may lack a method; or it says so to everything, so that no order is executed."""
    first, second = ANode("a", RpcError(code, "no", None)), ANode("b", "result")
    nodes, clock = some_nodes(first, second)
    assert [nodes.ask(CALL, time_limit_s=1) for _ in range(3)] == ["result"] * 3
    assert (first.calls, sum(clock.paused)) == (1, 0)
    # What all of them call a mistake is one, and is told without a second round.
    second.answers = [RpcError(code, "no", None)]
    with pytest.raises(RpcError):
        nodes.ask(CALL, time_limit_s=1)
    assert (first.calls, second.calls, sum(clock.paused)) == (2, 4, 0)


class ABatchingNode(ANode):
    """Answers each request with several calls from its list: the same to all of them."""

    def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
        return [self.call(CALL, time_limit_s=time_limit_s)] * len(calls)


def test_more_calls_than_a_request_carries_take_more_requests() -> None:
    node = ABatchingNode("a", "first", "second")
    nodes, _ = some_nodes(node)
    results = nodes.converse(lambda ask, _: ask.all([CALL] * (CALLS_MAX + 2)), time_limit_s=1)
    assert results == ["first"] * CALLS_MAX + ["second"] * 2


@pytest.mark.parametrize("error", [SILENT, RateLimitedError(5)])
def test_rest_of_many_calls_goes_to_the_next_node_where_one_limits_us_or_is_silent(error: NodeError) -> None:
    first, second = ABatchingNode("a", "first", error), ABatchingNode("b", "second")
    nodes, clock = some_nodes(first, second)
    results = nodes.converse(lambda ask, _: ask.all([CALL] * 3 * CALLS_MAX), time_limit_s=1)
    assert results == ["second"] * 3 * CALLS_MAX
    assert (first.calls, sum(clock.paused)) == (2, 0)


def test_errors_of_some_calls_are_told_beside_the_results_of_others() -> None:
    class Half(ANode):
        def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
            del calls, time_limit_s
            return ["result", BEHIND]

    nodes, clock = some_nodes(Half("a", "never"), ABatchingNode("b", "other"))
    assert nodes.converse(lambda ask, _: ask.each([CALL, CALL]), time_limit_s=1) == ["result", BEHIND]
    assert nodes.converse(lambda ask, _: ask.all([CALL, CALL]), time_limit_s=1) == ["other", "other"]
    assert sum(clock.paused) == 0


def test_all_nodes_are_told_except_those_that_limit_us() -> None:
    limited, silent, well = ANode("a", RateLimitedError(5)), ANode("b", SILENT), ANode("c", "signature")
    nodes, clock = some_nodes(limited, silent, well)
    first = nodes.tell_all(CALL, time_limit_s=2)
    assert first["c"] == "signature"
    assert isinstance(first["a"], RateLimitedError)
    assert nodes.tell_all(CALL, time_limit_s=2) == {"c": "signature"}
    clock.at_s += 6
    nodes.tell_all(CALL, time_limit_s=2)
    assert (limited.calls, silent.calls, well.calls) == (2, 2, 3)


@pytest.mark.parametrize(("error", "longest_s"), [(BEHIND, 0.25), (RateLimitedError(None), 8.0)])
def test_node_that_fails_at_one_of_several_calls_is_not_left_alone_for_longer_and_longer(
    error: NodeError, longest_s: float
) -> None:
    class HalfWell(ANode):
        def call_all(self, calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:  # noqa: ARG002
            return ["result", *[error] * (len(calls) - 1)]

    nodes, clock = some_nodes(HalfWell("a", "result"))
    with pytest.raises(type(error)):
        nodes.converse(lambda ask, _: ask.all([CALL, CALL]), time_limit_s=30)
    assert max(clock.paused) == longest_s


@pytest.mark.parametrize("error", [RateLimitedError(None), SILENT, BEHIND])
def test_node_that_alone_is_left_is_told_unless_it_asked_for_a_pause(error: NodeError) -> None:
    """A transaction lives for half a minute, and looks in vain must not keep it from being sent again."""
    for node, told in ((ANode("a", error), 10), (ANode("a", RateLimitedError(8)), 1)):
        nodes, clock = some_nodes(node)
        for _ in range(10):
            nodes.tell_all(CALL, time_limit_s=2)
            clock.at_s += 0.5
        assert node.calls == told


@pytest.mark.parametrize("error", [RateLimitedError(None), SILENT])
def test_what_is_told_in_vain_during_our_own_pause_does_not_lengthen_it_for_what_is_asked(
    error: NodeError,
) -> None:
    """A node may limit what is sent by itself, ten in a row, and tell all the while what has landed."""

    class TakesNothing(ANode):
        def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
            if call is not CALL:
                raise error
            return super().call(call, time_limit_s=time_limit_s)

    nodes, _ = some_nodes(TakesNothing("a", "landed"))
    for _ in range(3):
        for _ in range(10):
            nodes.tell_all(CALLS[1], time_limit_s=2)
        assert nodes.ask(CALL, time_limit_s=2) == "landed"


class Tarpit(ANode):
    """Takes a connection and all the time that there is, for the calls of one method."""

    def __init__(self, clock: AClock, method: str) -> None:
        super().__init__("tarpit", "result")
        self.clock, self.method = clock, method

    def call(self, call: RpcCall, *, time_limit_s: float) -> Any:
        if call.method != self.method:
            return super().call(call, time_limit_s=time_limit_s)
        self.clock.at_s += time_limit_s
        raise SILENT


def with_a_tarpit(method: str, *others: ANode) -> tuple[RpcNodes, AClock]:
    clock = AClock()
    return RpcNodes([Tarpit(clock, method), *others], now_s=clock.now, pause=clock.pause), clock


def test_node_that_swallows_what_it_is_sent_leaves_the_others_time_to_be_told() -> None:
    """Else nothing lands for as long as it answers all other questions."""
    send, second, third = RpcCall("sendTransaction", ("bytes",)), ANode("b", "b"), ANode("c", "c")
    nodes, clock = with_a_tarpit("sendTransaction", second, third)
    for _ in range(5):
        told = nodes.tell_all(send, time_limit_s=2)
        assert (told["b"], told["c"]) == ("b", "c")
        assert nodes.ask(CALL, time_limit_s=2) is not None
    assert clock.at_s < 100 + 5


def test_node_that_is_silent_to_one_question_alone_does_not_keep_the_next_from_it() -> None:
    pools, second = RpcCall("getMultipleAccounts", ([],)), ANode("b", "b")
    nodes, clock = with_a_tarpit("getMultipleAccounts", second)
    unanswered = 0
    for _ in range(60):
        try:
            nodes.ask(pools, time_limit_s=1)
        except SilentNodeError:
            unanswered += 1
        clock.at_s += 1
        assert nodes.ask(CALL, time_limit_s=1) in {"result", "b"}
    assert unanswered <= 4
