"""pg8000 connections that prepare each statement once, instead of parsing it anew for every execution.

A statement of ours is up to 3 kB long. pg8000 scans its text in Python each time, has the server parse
and plan it, and waits twice for an answer. Prepared, only parameters travel, once there and back:
measured on a batch of orders, half of the processor time on both sides. RDS Proxy multiplexes statements
that are prepared by the protocol, as here, and so does PgBouncer from 1.21 on.
"""

import math
import select
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from time import monotonic
from typing import Any, Final, Self
from uuid import UUID

import pg8000
from pg8000.converters import JSON, JSONB, UUID_TYPE
from pg8000.core import CLOSE, STATEMENT, SYNC_MSG, Context, DatabaseError
from pydantic_core import from_json

from chalicelib.adapters.postgres.prepared_statement import (
    Answer,
    PreparedStatement,
    row_values,
    written,
)
from chalicelib.adapters.reaching import reached
from chalicelib.adapters.time_left import time_left

Operation = tuple[str, Sequence[Any]]
"""A statement as the driver takes it, and its parameters."""

BEGIN: Final = "begin transaction"
COMMIT: Final = "commit"
ROLLBACK: Final = "rollback"

STATEMENTS_MAX: Final = 200
"""Of one connection; we have some fifty. More texts than this would mean that one is made up of values."""

_NAME_DIGITS: Final = 32

# What a message begins with: its kind, one byte, and its length, which counts itself and not the kind.
_HEAD: Final = struct.Struct("!BI")
_MESSAGE_BYTES_MAX: Final = 2**30  # the server's own bound

# The messages of which nearly all answers consist; pg8000 takes the others apart.
_BIND_COMPLETE, _DATA_ROW, _COMMAND_COMPLETE, _READY_FOR_QUERY = b"2DCZ"
_BOUND: Final = _HEAD.pack(_BIND_COMPLETE, 4)

_READ_BYTES: Final = 32_768

# Not merely something to read: TLS has words of its own. Where the system does not tell it, a connection that
# was reset is found all the same.
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0)

_UNIQUE_VIOLATION: Final = "23505"
_SOON_S: Final = 0.001

# SQLAlchemy knows a lost connection of pg8000's by these words.
_NETWORK_ERROR: Final = "network error"

# What pg8000's parsers raise of bytes that no PostgreSQL server sends.
_NO_PROTOCOL: Final = (LookupError, ValueError, TypeError, EOFError, struct.error)

# By type, where there is something faster than pg8000's own: an
# order's id comes back from each of its statements.
_CONVERTERS: Final[dict[int, Callable[[str], Any]]] = {
    UUID_TYPE: lru_cache(maxsize=4_096)(UUID),
    JSON: from_json,
    JSONB: from_json,
}


class PreparedCursor(pg8000.Cursor):  # type: ignore[misc]  # pg8000 has no types
    """Executes statements whose parameters are written ``$1``, ``$2`` (SQLAlchemy's ``numeric_dollar``)."""

    _c: "PreparedConnection"

    def execute(self, operation: str, args: Sequence[Any] = (), stream: Any = None) -> Self:
        if not args or stream is not None:
            super().execute(operation, args, stream)
            return self
        return self.execute_prepared(operation, args)

    def execute_prepared(self, operation: str, args: Sequence[Any]) -> Self:
        """Execute a statement that may have no parameters; pg8000, and so ``execute``, would have the server
        parse and plan that one anew each time.
        """
        self._context = self._c.answer_of(operation, args)
        self._row_iter = iter(self._context.rows or ())
        return self


class PreparedConnection(pg8000.Connection):  # type: ignore[misc]  # as above
    """A connection to one server session, and what that has prepared.

    Attributes:
        session_level: The isolation level that the session was set to; None if it has the server's default.
        time_limit_s: For each answer of the server; until another is set, that of connecting.
    """

    session_level: str | None = None

    def __init__(
        self, *, host: str = "localhost", port: int = 5432, timeout: float = math.inf, **options: Any
    ) -> None:
        self.time_limit_s = timeout
        # Every read until the session is ready is bounded by this, all later ones by what is left then.
        limit_s = time_left.for_work(timeout)
        # Left to pg8000, the socket would stay open if anything of this failed early.
        sock = None if "unix_sock" in options else _socket(host, port, limit_s)
        try:
            super().__init__(host=host, port=port, timeout=_as_timeout(limit_s), sock=sock, **options)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, (OSError, *_NO_PROTOCOL)):
                raise pg8000.InterfaceError(f"{_NETWORK_ERROR}: {error}") from error
            raise
        self._limit_s = limit_s
        self._unread = b""
        self._end = select.poll()
        self._end.register(self._usock, _HUNG_UP)
        self._prepared: dict[str, PreparedStatement] = {}
        for oid, converter in _CONVERTERS.items():
            self.register_in_adapter(oid, converter)

    def has_ended(self) -> bool:
        """Return whether the server has hung up, as far as this machine knows."""
        return bool(self._end.poll(0))

    def handle_messages(self, context: Any) -> None:
        """Read the answer to one message; for pg8000, which calls it so.

        Raises:
            DatabaseError: That is what the server says.
            InterfaceError: As ``_read_answers``.
        """
        self._read_answers([context])
        if context.error is not None:
            raise context.error

    def _read_answers(self, *groups: Sequence[Any]) -> None:
        """Read the answers, each group up to a Sync that was sent, for no longer than the invocation lasts.

        What the server says of an error is noted in the context of the statement that it is about. None of
        those after it was run.

        Raises:
            InterfaceError: There is none, or it is not in PostgreSQL's protocol: the connection is of no more
                use.
        """
        if self._usock is None:
            raise pg8000.InterfaceError("connection is closed")
        limit_s = time_left.for_work(self.time_limit_s)
        if limit_s != self._limit_s:  # each change is a system call
            self._limit_s = limit_s
            self._usock.settimeout(_as_timeout(limit_s))
        try:
            for contexts in groups:
                self._read_until_ready(contexts)
        except (OSError, *_NO_PROTOCOL) as error:
            raise pg8000.InterfaceError(_NETWORK_ERROR) from error

    def _read_until_ready(self, contexts: Sequence[Any]) -> None:
        """Do what pg8000 does, which reads each part of each message by itself, for several statements."""
        data, at, head_at, body_at = self._unread, 0, _HEAD.unpack_from, _HEAD.size
        there = len(data)
        waiting = iter(contexts)
        context = next(waiting)
        while True:
            try:
                kind, length = head_at(data, at)
            except struct.error:  # the rest of it is yet to come
                data, at = data[at:] + self._read_some(), 0
                there = len(data)
                continue
            end = at + length + 1
            if end > there:
                data, end, at = data[at:] + self._read_all(end - there), end - at, 0
                there = end
            if kind == _DATA_ROW:
                context.rows.append(
                    row_values(data, at + body_at, context.input_funcs, self._client_encoding)
                )
            elif kind == _COMMAND_COMPLETE and type(context) is Answer:
                context.tag = data[at + body_at : end]
                context = next(waiting, context)
                if data.startswith(_BOUND, end):  # of the next one, which says nothing else by it
                    end += body_at
            elif kind == _READY_FOR_QUERY:
                self._transaction_status = data[at + body_at : end]
                self._unread = data[end:]
                return
            elif kind != _BIND_COMPLETE:
                self.message_types[data[at : at + 1]](data[at + body_at : end], context)
            at = end

    def _read_some(self) -> bytes:
        """Return what has come, once something has."""
        some: bytes = self._sock.read1(_READ_BYTES)
        if not some:
            raise EOFError
        return some

    def _read_all(self, size: int) -> bytes:
        if size > _MESSAGE_BYTES_MAX:
            raise ValueError("no server sends so much in one message")
        body: bytes = self._sock.read(size)
        if len(body) != size:
            raise EOFError
        return body

    def cursor(self) -> PreparedCursor:
        return PreparedCursor(self)

    @property
    def must_begin(self) -> bool:
        """Whether the next statement is the first of a transaction."""
        return not self._in_transaction and not self.autocommit

    def commit(self) -> None:
        """Commit in one round trip; pg8000 would prepare the word first."""
        self.execute_simple(COMMIT)

    def rollback(self) -> None:
        """Undo what was not committed, if there is anything, likewise."""
        if self._in_transaction:
            self.execute_simple(ROLLBACK)

    def close(self) -> None:
        """Say goodbye, if the server still listens: a connection that broke is closed already."""
        file = self._sock
        with suppress(pg8000.InterfaceError, OSError):
            super().close()
        # It keeps the socket open, and may hold what can no longer be sent.
        if file is not None:
            with suppress(OSError):
                file.close()

    def answer_of(self, operation: str, values: Sequence[Any]) -> Any:
        """Return the same as ``execute_prepared``; errors are of the classes that pg8000's cursor raises."""
        try:
            return self.execute_prepared(operation, values)
        except DatabaseError as error:
            raise _by_cause(error) from error

    def execute_prepared(self, operation: str, values: Sequence[Any]) -> Any:
        """Return pg8000's context of one execution;
        BEGIN goes before it in the same round trip, where it has to.
        """
        if operation not in self._prepared and len(self._prepared) >= STATEMENTS_MAX:
            if self.must_begin:
                self.execute_simple(BEGIN)
            return self.execute_unnamed(operation, vals=values)
        if self.must_begin:
            (answer,) = self.execute_together([(operation, values)], commits=False)
            return answer
        return self.execute_alone(operation, values)

    def execute_alone(self, operation: str, values: Sequence[Any]) -> Answer:
        """Return the answer to one execution, sent by itself: in the open transaction, or its own."""
        prepared = self._statement(operation)
        answer = Answer(operation, prepared)
        self._send(prepared.execution(written(self.py_types, values), self._client_encoding) + SYNC_MSG)
        self._read_answers([answer])
        if answer.error is not None:
            if isinstance(answer.error, DatabaseError):
                # It may be the plan that went wrong: a migration can change what a statement returns.
                del self._prepared[operation]
            raise answer.error
        return answer

    def execute_together(
        self, operations: Sequence[Operation], *, commits: bool, then: Operation | None = None
    ) -> Sequence[Any]:
        """Run statements of one transaction in one round trip: none waits for the answer to the one before.

        Each sees what was committed when its turn came, as if sent by itself. A transaction is begun with the
        first of them if none is open; ``commits`` ends it with the last. If one goes wrong, those after it
        are not run, and the transaction is left to be rolled back. Returns the answer to each statement.

        Args:
            then: A statement that is a transaction of its own, after that end. Its answer has its error:
                what comes before it is done all the same.

        Raises:
            Error: The first that went wrong, once all answers are in.
        """
        if not operations:
            if commits:
                self.commit()
            return []
        answers = [Answer(operation, self._statement(operation)) for operation, _ in operations]
        # What cannot be sent must be found out before anything is:
        # the next user would complete half a message.
        parts = [
            answer.prepared.execution(written(self.py_types, values), self._client_encoding)
            for answer, (_, values) in zip(answers, operations, strict=True)
        ]
        said = list(answers)
        # Statements up to a Sync are one transaction, which needs no words of its own if it ends there.
        if self.must_begin and not commits:
            said.insert(0, self._word(BEGIN, parts, 0))
        elif commits and self._in_transaction:
            said.append(self._word(COMMIT, parts, len(parts)))
        parts.append(SYNC_MSG)
        asked = []
        if then is not None:
            asked = [Answer(then[0], self._statement(then[0]))]
            parts.append(
                asked[0].prepared.execution(written(self.py_types, then[1]), self._client_encoding) + SYNC_MSG
            )
        self._send(b"".join(parts))
        if asked:
            self._read_answers(said, asked)
        else:
            self._read_answers(said)
        errors = [answer.error for answer in said if answer.error]
        if errors or (asked and asked[0].error):
            for answer in (*answers, *asked):
                self._prepared.pop(answer.statement, None)
        if errors:
            first = errors[0]
            raise (_by_cause(first) if isinstance(first, DatabaseError) else first) from first
        return [*answers, *asked]

    def _word(self, word: str, parts: list[bytes], place: int) -> Answer:
        """Put a word among statements that go together; return its answer."""
        prepared = self._statement(word)
        parts.insert(place, prepared.execution((), self._client_encoding))
        return Answer(word, prepared)

    def _send(self, data: bytes) -> None:
        if self._usock is None:
            raise pg8000.InterfaceError("connection is closed")
        try:
            self._usock.sendall(data)
        except OSError as error:
            raise pg8000.InterfaceError(_NETWORK_ERROR) from error

    def prepare_statement(self, statement: str, oids: Any = None) -> tuple[bytes, Any, Any]:
        """Prepare a statement under a name that no other text has; for pg8000, which numbers its own.

        A pooler that puts another client's session behind this connection, and keeps no prepared statements,
        would have that client's run: it may take the same parameters. By these names it is an error.

        One that went wrong is prepared anew, and the server keeps what it has prepared until that is closed.
        """
        name = sha256(statement.encode()).hexdigest()[:_NAME_DIGITS].encode() + b"\0"
        if name in self._statement_nums:
            self._send_message(CLOSE, STATEMENT + name)
        self._statement_nums.add(name)
        self.send_PARSE(name, statement, oids or ())
        self.send_DESCRIBE_STATEMENT(name)
        self._sock.write(SYNC_MSG)
        self._sock.flush()
        context = Context(statement)
        self.handle_messages(context)
        return name, context.columns, context.input_funcs

    def _statement(self, operation: str) -> PreparedStatement:
        """Return a statement, which is prepared first if it has to be."""
        found = self._prepared.get(operation)
        if found is None:
            found = self._prepared[operation] = PreparedStatement(*self.prepare_statement(operation, ()))
        return found


def _socket(host: str, port: int, limit_s: float) -> socket.socket:
    """Connect.

    Raises:
        InterfaceError: In pg8000's words.
    """
    try:
        connection = reached(host, port, deadline=monotonic() + limit_s)
    except OSError as error:
        raise pg8000.InterfaceError(f"Can't create a connection to host {host} and port {port}") from error
    connection.settimeout(_as_timeout(limit_s))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return connection


def _as_timeout(seconds: float) -> float | None:
    """Return a socket's time-out: to a socket, 0 means not to wait at all, and None to wait for ever."""
    return None if math.isinf(seconds) else max(_SOON_S, seconds)


def _by_cause(error: DatabaseError) -> DatabaseError:
    """Return the error as the class that pg8000's own cursor would raise."""
    fields = error.args[0]
    is_duplicate = isinstance(fields, dict) and fields.get("C") == _UNIQUE_VIOLATION
    return (pg8000.IntegrityError if is_duplicate else pg8000.ProgrammingError)(fields)
