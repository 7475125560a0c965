"""A request on its way: sent in the parts that the network takes, read until it is whole."""

import select
import socket
from collections.abc import Iterator

import pytest

from chalicelib.adapters.aws import http_request
from chalicelib.adapters.aws.connection_pool import PooledConnection
from chalicelib.adapters.aws.http_request import HttpRequest
from chalicelib.adapters.aws.http_response import HttpResponse, answer_in
from tests.fakes.http_server import OK


@pytest.fixture
def ends() -> Iterator[tuple[PooledConnection, socket.socket]]:
    """Both ends of a connection; ours does not wait."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    yield PooledConnection(ours), theirs
    ours.close()
    theirs.close()


def a_request(connection: PooledConnection) -> HttpRequest:
    request = HttpRequest(deadline=0.0)
    request.connection = connection
    return request


def test_answer_is_returned_once_it_is_complete(ends: tuple[PooledConnection, socket.socket]) -> None:
    connection, theirs = ends
    request = a_request(connection)
    request.ask([b"ask"])
    assert theirs.recv(9) == b"ask"
    assert (request.has_sent, request.wanted) == (True, select.POLLIN)
    found = []
    for part in (OK[:10], OK[10:-1], OK[-1:]):
        theirs.send(part)
        found.append(request.advance())
    assert found == [False, False, True]
    assert [answer.body for answer in request.answers] == [b"hi"]


def test_nothing_to_read_yet_is_no_answer_and_no_error(
    ends: tuple[PooledConnection, socket.socket],
) -> None:
    request = a_request(ends[0])
    request.ask([b"ask"])
    assert not request.advance()


def test_large_request_leaves_in_parts_and_waits_for_room_in_between(
    ends: tuple[PooledConnection, socket.socket],
) -> None:
    connection, theirs = ends
    request, asked = a_request(connection), bytes(range(256)) * 16_384
    request.ask([asked])
    assert 0 < len(request.unsent) < len(asked)
    assert request.wanted == select.POLLOUT
    received = b""
    while len(received) < len(asked):
        received += theirs.recv(1 << 20)
        assert not request.advance()
    assert received == asked
    assert (request.unsent, request.wanted) == (b"", select.POLLIN)


def test_next_request_does_not_see_what_was_left_of_the_last_answer(
    ends: tuple[PooledConnection, socket.socket],
) -> None:
    connection, theirs = ends
    request = a_request(connection)
    request.ask([b"one"])
    theirs.send(OK[:-1])
    assert not request.advance()
    request.ask([b"two"])
    theirs.send(OK)
    assert request.advance()
    assert [answer.body for answer in request.answers] == [b"hi"]


def test_peer_that_is_gone_is_an_error(ends: tuple[PooledConnection, socket.socket]) -> None:
    connection, theirs = ends
    theirs.close()
    with pytest.raises(OSError, match="Broken pipe"):
        a_request(connection).ask([b"ask"])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"".join(b"3e8\r\n%s\r\n" % (b"x" * 1_000) for _ in range(100))
        + b"0\r\n\r\n",
    ],
    ids=["of a length", "in chunks"],
)
def test_answer_in_many_pieces_is_looked_at_a_few_times(
    ends: tuple[PooledConnection, socket.socket], monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """Each look reads from the first byte: with one for each piece a large answer takes the square of its
    time.
    """
    looks: list[int] = []

    def look(data: bytes, *, is_over: bool) -> HttpResponse | None:
        looks.append(len(data))
        return answer_in(data, is_over=is_over)

    monkeypatch.setattr(http_request, "answer_in", look)
    connection, theirs = ends
    request = a_request(connection)
    request.ask([b"ask"])
    for start in range(0, len(answer), 1_000):
        theirs.send(answer[start : start + 1_000])
        is_whole = request.advance()
    assert is_whole
    assert [len(each.body) for each in request.answers] == [100_000]
    assert len(looks) < 20


def test_answers_that_come_in_single_bytes_are_each_returned(
    ends: tuple[PooledConnection, socket.socket],
) -> None:
    """Also where one ends as the last chunk does, and where another begins behind it in one piece."""
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    connection, theirs = ends
    for pieces in (1, 7, 1_000):
        request = a_request(connection)
        request.ask([b"ask"] * 4)
        told = chunked + OK + empty + chunked
        found = []
        for start in range(0, len(told), pieces):
            theirs.send(told[start : start + pieces])
            found.append(request.advance())
        assert found == [False] * (len(found) - 1) + [True]
        assert [each.body for each in request.answers] == [b"hi", b"hi", b"", b"hi"]
