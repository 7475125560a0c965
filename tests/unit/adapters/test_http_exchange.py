"""Answers as servers really send them, whole and in pieces."""

import socket
import threading

import pytest

from chalicelib.adapters.http_exchange import Exchange, ProtocolError, exchange

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde": Exchange(200, b"abcde", is_reusable=True),
    b"HTTP/1.1 410 Gone\r\ncontent-length:0\r\n\r\n": Exchange(410, b"", is_reusable=True),
    b"HTTP/1.1 204 No Content\r\n\r\n": Exchange(204, b"", is_reusable=True),
    b"HTTP/1.1 200\r\nConnection: close\r\nContent-Length: 1\r\n\r\na": Exchange(
        200, b"a", is_reusable=False
    ),
    b"HTTP/1.1 200 OK\r\n\r\nto the end": Exchange(200, b"to the end", is_reusable=False),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n": Exchange(
        200, b"", is_reusable=True
    ),
    CHUNKED: Exchange(200, b"abcde", is_reusable=True),
}


def asked(answer: bytes, *, piece_bytes: int) -> Exchange:
    """Return what an exchange makes of an answer that arrives in pieces and ends with the connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)

        def serve() -> None:
            theirs.recv(65_536)
            for start in range(0, len(answer), piece_bytes):
                theirs.sendall(answer[start : start + piece_bytes])
            theirs.shutdown(socket.SHUT_WR)

        server = threading.Thread(target=serve)
        server.start()
        try:
            return exchange(ours, "POST", "/", {"host": "h"}, b"body")
        finally:
            server.join()


@pytest.mark.parametrize("piece_bytes", [1, 7, 65_536])
@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_is_read_to_its_end_and_no_further(answer: bytes, piece_bytes: int) -> None:
    assert asked(answer, piece_bytes=piece_bytes) == ANSWERS[answer]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 what\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_answer_that_breaks_off_or_is_no_http_is_an_error(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        asked(answer, piece_bytes=65_536)


def test_request_goes_out_in_one_piece_with_its_length() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        exchange(ours, "POST", "/a%20b", {"host": "h", "x-a": "1"}, b"body")
        assert (
            theirs.recv(65_536)
            == b"POST /a%20b HTTP/1.1\r\nhost: h\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nbody"
        )
