"""One request flow by itself.

Answered, paused, or given up in its time, and no answer taken for another's.
"""

import pytest

from chalicelib.adapters.aws.connection_pool import ConnectionPool
from chalicelib.adapters.aws.http_request import (
    NoAnswerError,
    NotSentError,
    OutOfTimeError,
    Pause,
    RequestFlow,
)
from chalicelib.adapters.aws.single_request import ask_single, run_single_flow
from tests.fakes.http_server import LAST, OK, scripted_server

ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
FEW_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nT: 1\r\n\r\n"
TIMEOUT_S = 30.0
SHORT_S = 0.2


def bodies(number: int, *, pause_s: float | None = None) -> RequestFlow[list[bytes | None]]:
    """Ask so often; return what was answered."""
    found: list[bytes | None] = []
    for _ in range(number):
        answers = yield [ASKED]
        found.append(answers[0].body if answers else None)
        if pause_s is not None:
            yield Pause(pause_s)
    return found


def test_requests_of_a_flow_share_a_connection() -> None:
    with scripted_server(OK, OK, OK) as server:
        pool = ConnectionPool(server.address)
        assert run_single_flow(pool, bodies(2), time_limit_s=TIMEOUT_S) == [b"hi", b"hi"]
        assert ask_single(pool, ASKED, time_limit_s=TIMEOUT_S).body == b"hi"
        assert server.connections == 1
        pool.close()


@pytest.mark.parametrize("size", [1, 40, 1_000], ids=["bytewise", "cut", "in one piece"])
def test_requests_sent_together_are_answered_one_by_one(size: int) -> None:
    def together() -> RequestFlow[list[bytes | None]]:
        answers = yield 3 * [ASKED]
        return [answer.body for answer in answers] + [*(yield from bodies(1))]

    with scripted_server(OK + FEW_CHUNKS + OK, OK) as server:
        server.piece_bytes = size
        pool = ConnectionPool(server.address)
        found = run_single_flow(pool, together(), time_limit_s=TIMEOUT_S)
        pool.close()
        assert (found, server.connections) == ([b"hi", b"abc", b"hi", b"hi"], 1)


def test_server_that_hangs_up_after_the_first_of_several_leaves_the_others_unanswered() -> None:
    def together() -> RequestFlow[list[bytes]]:
        answers = yield 3 * [ASKED]
        return [answer.body for answer in answers]

    with scripted_server(LAST + OK) as server:
        found = run_single_flow(ConnectionPool(server.address), together(), time_limit_s=TIMEOUT_S)
        assert found == [b"hi"]


def test_connection_that_the_server_ends_is_followed_by_another() -> None:
    with scripted_server(LAST) as server:
        found = run_single_flow(ConnectionPool(server.address), bodies(2), time_limit_s=TIMEOUT_S)
        assert (found, server.connections) == ([b"hi", b"hi"], 2)


def test_flow_goes_on_after_its_pause() -> None:
    with scripted_server(OK, OK) as server:
        pool = ConnectionPool(server.address)
        assert run_single_flow(pool, bodies(2, pause_s=0.001), time_limit_s=TIMEOUT_S) == [b"hi", b"hi"]
        pool.close()


def test_pause_longer_than_the_time_ends_the_flow() -> None:
    with scripted_server(OK) as server:
        pool = ConnectionPool(server.address)
        with pytest.raises(OutOfTimeError):
            run_single_flow(pool, bodies(1, pause_s=TIMEOUT_S), time_limit_s=0.05)
        pool.close()


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]
)
def test_answer_that_is_none_is_told_to_the_flow(said: bytes) -> None:
    with scripted_server(said) as server:
        found = run_single_flow(ConnectionPool(server.address), bodies(1), time_limit_s=TIMEOUT_S)
        assert found == [None]


def test_silence_ends_the_flow_and_its_connection_serves_nobody_else() -> None:
    # A second flow over the same connection would be answered.
    with scripted_server(None, OK) as server:
        pool = ConnectionPool(server.address)
        for _ in range(2):
            with pytest.raises(OutOfTimeError):
                run_single_flow(pool, bodies(1), time_limit_s=SHORT_S)


def test_request_that_is_not_answered_may_have_been_carried_out() -> None:
    with scripted_server(None) as server, pytest.raises(NoAnswerError):
        ask_single(ConnectionPool(server.address), ASKED, time_limit_s=SHORT_S)


def test_request_that_reached_no_server_was_not_sent() -> None:
    with scripted_server(OK) as server:
        address = server.address
    with pytest.raises(NotSentError):
        ask_single(ConnectionPool(address), ASKED, time_limit_s=TIMEOUT_S)
