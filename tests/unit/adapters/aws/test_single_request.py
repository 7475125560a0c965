"""One request by itself: answered or given up in its time, and no answer taken for another's."""

import pytest

from chalicelib.adapters.aws.connection_pool import ConnectionPool, PooledConnection
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.aws.single_request import ask_single
from tests.fakes.http_server import LAST, OK, scripted_server

ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
FEW_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nT: 1\r\n\r\n"
TIMEOUT_S = 30.0
BYTEWISE = (
    b"HTTP/1.1 200 OK\r\ncontent-length: 30000000\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
)
SHORT_S = 0.2


def test_requests_share_a_connection() -> None:
    with scripted_server(OK, OK, OK) as server:
        pool = ConnectionPool(server.address)
        bodies = [ask_single(pool, ASKED, time_limit_s=TIMEOUT_S).body for _ in range(3)]
        pool.close()
        assert (bodies, server.connections) == ([b"hi"] * 3, 1)


@pytest.mark.parametrize("size", [1, 40, 1_000], ids=["bytewise", "cut", "in one piece"])
def test_answer_may_come_in_pieces(size: int) -> None:
    with scripted_server(FEW_CHUNKS, OK) as server:
        server.piece_bytes = size
        pool = ConnectionPool(server.address)
        bodies = [ask_single(pool, ASKED, time_limit_s=TIMEOUT_S).body for _ in range(2)]
        pool.close()
        assert (bodies, server.connections) == ([b"abc", b"hi"], 1)


def test_connection_that_the_server_ends_is_followed_by_another() -> None:
    with scripted_server(LAST) as server:
        pool = ConnectionPool(server.address)
        bodies = [ask_single(pool, ASKED, time_limit_s=TIMEOUT_S).body for _ in range(2)]
        assert (bodies, server.connections) == ([b"hi", b"hi"], 2)


def test_what_comes_behind_an_answer_is_taken_for_no_other() -> None:
    with scripted_server(OK + OK[:20], b"no") as server:
        server.later = [OK]
        pool = ConnectionPool(server.address)
        bodies = [ask_single(pool, ASKED, time_limit_s=TIMEOUT_S).body for _ in range(2)]
        pool.close()
        assert (bodies, server.connections) == ([b"hi", b"hi"], 2)


def test_connections_that_died_unheard_fail_one_request_and_not_one_each() -> None:
    """As where a gateway between has forgotten all of a burst's: each would use up a try."""
    with scripted_server(OK, b"") as server:
        pool = ConnectionPool(server.address)
        burst = [pool.take(TIMEOUT_S) for _ in range(3)]
        for connection in burst:
            connection.socket.send(ASKED)
            assert connection.readable.poll(TIMEOUT_S * 1000)
            assert connection.socket.recv(65_536) == OK
            pool.give_back(connection)
        with pytest.raises(NoAnswerError):
            ask_single(pool, ASKED, time_limit_s=TIMEOUT_S)
        assert ask_single(pool, ASKED, time_limit_s=TIMEOUT_S).body == b"hi"
        pool.close()


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]
)
def test_answer_that_is_none_tells_nothing_of_the_request(said: bytes) -> None:
    with scripted_server(said) as server, pytest.raises(NoAnswerError):
        ask_single(ConnectionPool(server.address), ASKED, time_limit_s=TIMEOUT_S)


def test_request_that_is_not_answered_may_have_been_carried_out_and_its_connection_serves_nobody_else() -> (
    None
):
    # A second request over the same connection would be answered.
    with scripted_server(None, OK) as server:
        pool = ConnectionPool(server.address)
        for _ in range(2):
            with pytest.raises(NoAnswerError):
                ask_single(pool, ASKED, time_limit_s=SHORT_S)


def test_request_that_reached_no_server_was_not_sent() -> None:
    with scripted_server(OK) as server:
        address = server.address
    with pytest.raises(NotSentError):
        ask_single(ConnectionPool(address), ASKED, time_limit_s=TIMEOUT_S)


class _Dripping:
    """A connection, and the pool that it is of: behind it a server always has one byte more."""

    def __init__(self, head: bytes) -> None:
        self.socket = self.readable = self
        self.fileno = -1
        self.looks = 0
        self._head = head

    def take(self, time_limit_s: float) -> PooledConnection:
        del time_limit_s
        return self  # type: ignore[return-value]  # as far as a request uses one

    def send(self, data: bytes) -> int:
        return len(data)

    def poll(self, milliseconds: float) -> bool:
        del milliseconds
        return True

    def has_decrypted_rest(self) -> bool:
        return False

    def unread_bytes(self) -> int:
        return 1

    def recv(self, _: int) -> bytes:
        self.looks += 1
        assert self.looks < 1_000, "it reads on and on"
        return self._head if self.looks == 1 else b"1"

    def give_back(self, connection: PooledConnection) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("head", BYTEWISE, ids=["of a length", "in chunks", "in its head"])
def test_answer_that_comes_byte_by_byte_is_given_up_when_its_time_is_over(head: bytes) -> None:
    drip = _Dripping(head)
    with pytest.raises(NoAnswerError):
        ask_single(drip, ASKED, time_limit_s=0.0)  # type: ignore[arg-type]  # as above


def test_answer_that_had_come_when_its_time_was_over_is_taken() -> None:
    drip = _Dripping(OK)
    assert ask_single(drip, ASKED, time_limit_s=0.0).body == b"hi"  # type: ignore[arg-type]  # as above


class _Waiting(_Dripping):
    """The same: behind it all of an answer lies in the socket, and is read in so many pieces."""

    def __init__(self, answer: bytes, pieces: int) -> None:
        super().__init__(b"")
        self._rest, self._piece_bytes = answer, -(-len(answer) // pieces)

    def recv(self, _: int) -> bytes:
        piece, self._rest = self._rest[: self._piece_bytes], self._rest[self._piece_bytes :]
        return piece

    def poll(self, milliseconds: float) -> bool:
        return bool(self._rest) and super().poll(milliseconds)

    def unread_bytes(self) -> int:
        return len(self._rest)


@pytest.mark.parametrize(
    ("head", "end"),
    [(b"content-length: 9999\r\n", b""), (b"transfer-encoding: chunked\r\n\r\n270f", b"\r\n0\r\n\r\n")],
    ids=["of a length", "in chunks"],
)
def test_answer_of_many_pieces_that_had_come_when_its_time_was_over_is_taken(head: bytes, end: bytes) -> None:
    """As after the process was stopped, or the machine suspended, while it lay there."""
    body = b"x" * 9_999
    waiting = _Waiting(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body + end, 20)
    assert ask_single(waiting, ASKED, time_limit_s=0.0).body == body  # type: ignore[arg-type]  # as above
