"""What a server answers, message by message: the same in whatever parts it comes, and no more than it is."""

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pg8000
import pytest

from chalicelib.adapters.postgres.prepared import PreparedConnection
from chalicelib.adapters.postgres.prepared_statement import PreparedStatement
from chalicelib.adapters.time_left import time_left

ASK, TELL, THEN = "SELECT $1", "INSERT $1", "SELECT count(*) WHERE $1"


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def row(*values: str | None) -> bytes:
    cells = [
        struct.pack("!i", -1) if each is None else struct.pack("!i", len(each.encode())) + each.encode()
        for each in values
    ]
    return message("D", struct.pack("!h", len(cells)) + b"".join(cells))


def done(tag: str) -> bytes:
    return message("C", tag.encode() + b"\0")


def error(code: str) -> bytes:
    return message("E", f"SERROR\0C{code}\0Mno\0\0".encode())


BOUND, READY, IN_TRANSACTION, FAILED = (
    message("2"), message("Z", b"I"), message("Z", b"T"), message("Z", b"E")
)  # fmt: skip
NOTICE, PARAMETER = message("N", b"SWARNING\0\0"), message("S", b"TimeZone\0UTC\0")


class Parts(io.RawIOBase):
    """What comes from a server: each read returns one part at most; behind the last one is the end."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = [part for part in parts if part]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._parts:
            return 0
        part = self._parts.pop(0)
        taken = part[: len(buffer)]
        if len(part) > len(taken):
            self._parts.insert(0, part[len(taken) :])
        buffer[: len(taken)] = taken
        return len(taken)


@pytest.fixture
def connection() -> Iterator[PreparedConnection]:
    """A connection to a server that lets everyone in and hears everything."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            peer, _ = listening.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(message("R", struct.pack("!i", 0)) + READY)
                while peer.recv(65_536):
                    pass

        server = threading.Thread(target=serve)
        server.start()
        port = listening.getsockname()[1]
        made = PreparedConnection(host="127.0.0.1", port=port, user="u", timeout=60, ssl_context=False)
        for number, (statement, columns) in enumerate(((ASK, 2), (TELL, 0), (THEN, 1), ("commit", 0))):
            described: list[dict[str, str]] | None = [{}] * columns if columns else None
            name = f"s{number}\0".encode()
            made._prepared[statement] = PreparedStatement(name, described, [str] * columns)
        made._prepared["begin transaction"] = PreparedStatement(b"b\0", None, [])
        opened = made._usock.dup()
        yield made
        opened.shutdown(socket.SHUT_RDWR)  # the server may be reading yet
        opened.close()
        made.close()
        server.join()


class Answers(io.BufferedReader):
    """Of a server that says it will send more than any does, nothing is waited for."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size <= 2**30
        return super().read(size)

    def write(self, data: Any, /) -> int:
        """Take what pg8000 sends by the file that it reads."""
        return len(data)


def answers(connection: PreparedConnection, parts: Iterable[bytes]) -> None:
    """Let the server answer what is asked next, in these parts and no others."""
    connection._sock = Answers(Parts(parts))


def in_all_parts(whole: bytes) -> Iterator[Sequence[bytes]]:
    yield [whole]
    yield [bytes([each]) for each in whole]
    yield from ([whole[:at], whole[at:]] for at in range(1, len(whole)))


def asked(connection: PreparedConnection) -> Any:
    said = connection.execute_together(
        [(ASK, ["1"]), (TELL, ["2"]), (ASK, ["3"])], commits=True, then=(THEN, ["4"])
    )
    return [(answer.rows, answer.row_count) for answer in said]


def test_answer_is_the_same_in_whatever_parts_it_comes(connection: PreparedConnection) -> None:
    whole = (
        BOUND + row("a", None) + NOTICE + row("", "é" * 9) + done("SELECT 2")
        + BOUND + PARAMETER + done("INSERT 0 7") + NOTICE
        + BOUND + done("SELECT 0") + READY
        + BOUND + row("5") + done("SELECT 1") + READY
    )  # fmt: skip
    for parts in in_all_parts(whole):
        answers(connection, parts)
        assert asked(connection) == [
            ([["a", None], ["", "é" * 9]], 2), (None, 7), ([], 0), ([["5"]], 1)
        ], parts  # fmt: skip
        assert connection._unread == b""


def test_row_longer_than_what_is_read_at_once_is_whole(connection: PreparedConnection) -> None:
    long = "x" * 100_000
    whole = BOUND + row(long, long) + done("SELECT 1") + READY
    for size in (len(whole), 32_768, 1_000, 7_919):
        answers(connection, [whole[at : at + size] for at in range(0, len(whole), size)])
        connection.autocommit = True
        assert connection.execute_prepared(ASK, ["1"]).rows == [[long, long]]


@pytest.mark.parametrize(
    ("whole", "is_told"),
    [
        (BOUND + done("SELECT 0") + error("23505") + READY, pg8000.IntegrityError),
        (BOUND + row("a", "b") + error("57014") + READY, pg8000.ProgrammingError),
        (error("22P02") + READY, pg8000.ProgrammingError),
    ],
    ids=["duplicate", "amid rows", "at once"],
)
def test_error_is_told_once_all_is_read_and_the_statements_are_prepared_anew(
    connection: PreparedConnection, whole: bytes, is_told: type[Exception]
) -> None:
    then = BOUND + row("5") + done("SELECT 1") + READY
    kept = dict(connection._prepared)
    for parts in in_all_parts(whole + then):
        connection._prepared |= kept
        answers(connection, parts)
        with pytest.raises(is_told) as caught:
            asked(connection)
        assert type(caught.value) is is_told
        assert connection._unread == b""
        assert not {ASK, TELL, THEN} & connection._prepared.keys()


def test_question_after_the_commit_that_goes_wrong_leaves_its_answers(connection: PreparedConnection) -> None:
    whole = BOUND + done("SELECT 0") + BOUND + done("INSERT 0 1") + BOUND + done("SELECT 0") + READY
    answers(connection, [whole + error("22P02") + READY])
    said = connection.execute_together(
        [(ASK, ["1"]), (TELL, ["2"]), (ASK, ["3"])], commits=True, then=(THEN, ["4"])
    )
    assert [answer.error is None for answer in said] == [True, True, True, False]
    assert THEN not in connection._prepared


def test_transaction_that_is_begun_goes_on_and_the_words_answers_are_left_out(
    connection: PreparedConnection,
) -> None:
    begun = BOUND + done("BEGIN") + BOUND + row("a", "b") + done("SELECT 1") + IN_TRANSACTION
    ended = BOUND + done("INSERT 0 1") + BOUND + done("COMMIT") + READY
    for parts in in_all_parts(begun + ended):
        answers(connection, parts)
        (first,) = connection.execute_together([(ASK, ["1"])], commits=False)
        assert first.rows == [["a", "b"]]
        assert (connection.must_begin, connection._in_transaction) == (False, True)
        (second,) = connection.execute_together([(TELL, ["1"])], commits=True)
        assert second.row_count == 1
        assert connection.must_begin


def test_statement_that_failed_alone_is_prepared_anew_and_its_transaction_is_to_be_undone(
    connection: PreparedConnection,
) -> None:
    answers(connection, [BOUND + done("BEGIN") + BOUND + done("SELECT 0") + IN_TRANSACTION])
    connection.execute_together([(ASK, ["1"])], commits=False)
    answers(connection, [error("23505") + FAILED])
    with pytest.raises(pg8000.IntegrityError):
        connection.answer_of(TELL, ["1"])
    assert connection._in_transaction
    assert TELL not in connection._prepared
    assert ASK in connection._prepared


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        BOUND,
        (BOUND + row("a", "b") + done("SELECT 1") + READY)[:-1],
        BOUND + row("a"),
        b"D" + struct.pack("!i", 2**30 + 100),
        message("?"),
        message("D", b"\0\2\0\0\0\x09abc"),
        BOUND + message("D", struct.pack("!hi", 1, 2) + b"\xff\xff"),
    ],
    ids=["nothing", "cut", "cut in its end", "short row", "endless", "unknown", "beyond it", "no text"],
)
def test_what_is_no_answer_is_a_lost_connection(connection: PreparedConnection, broken: bytes) -> None:
    for parts in in_all_parts(broken):
        connection._unread = b""
        answers(connection, parts)
        connection.autocommit = True
        with pytest.raises(pg8000.InterfaceError, match="network error"):
            connection.execute_prepared(ASK, ["1"])
        assert ASK in connection._prepared


def test_closed_connection_says_so_and_closes_again(connection: PreparedConnection) -> None:
    connection.close()
    connection.close()
    use: list[Callable[[], object]] = [
        lambda: connection.execute_alone(ASK, ["1"]),
        lambda: connection._read_answers([]),
    ]
    for each in use:
        with pytest.raises(pg8000.InterfaceError, match="connection is closed"):
            each()


def test_answer_is_waited_for_no_longer_than_the_work_that_it_is_for(connection: PreparedConnection) -> None:
    connection.autocommit = True

    def waits_s() -> float:
        answers(connection, [BOUND + done("SELECT 0") + READY])
        connection.execute_prepared(ASK, ["1"])
        waits: float = connection._usock.gettimeout()
        return waits

    assert waits_s() == 60
    with time_left.at_most(5):
        assert 0 < waits_s() <= 5
        with time_left.at_most(0):
            assert 0 < waits_s() < 0.01  # not without end, as a time-out of nothing would be
    assert waits_s() == 60


def test_none_that_go_together_ask_nothing_and_end_what_was_begun(connection: PreparedConnection) -> None:
    answers(connection, [BOUND + done("BEGIN") + BOUND + done("SELECT 0") + IN_TRANSACTION])
    connection.execute_together([(ASK, ["1"])], commits=False)
    assert connection.execute_together([], commits=False) == []
    assert connection._in_transaction
    answers(connection, [done("COMMIT") + READY])
    assert connection.execute_together([], commits=True) == []
    assert not connection._in_transaction
