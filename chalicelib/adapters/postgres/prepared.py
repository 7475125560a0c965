"""pg8000 connections that prepare each statement once, instead of parsing it anew for every execution.

A statement of ours is up to 3 kB long. pg8000 scans its text in Python each time, has the server parse
and plan it, and waits twice for an answer. Prepared, only parameters travel, once there and back:
measured on a batch of orders, half of the processor time on both sides. RDS Proxy multiplexes statements
that are prepared by the protocol, as here.
"""

import math
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import Any, Final, Self
from uuid import UUID

import pg8000
from pg8000.converters import JSON, JSONB, UUID_TYPE, make_param
from pg8000.core import BIND, EXECUTE_MSG, READY_FOR_QUERY, SYNC_MSG, Context, DatabaseError
from pydantic_core import from_json

from chalicelib.adapters.reaching import reached
from chalicelib.adapters.time_left import time_left

Operation = tuple[str, Sequence[Any]]
"""A statement as the driver takes it, and its parameters."""

BEGIN: Final = "begin transaction"
COMMIT: Final = "commit"

STATEMENTS_MAX: Final = 200
"""Of one connection; we have some fifty. More texts than this would mean that one is made up of values."""

# The protocol's integers, of two bytes and of four; and what a message begins with: its kind, and its length,
# which counts itself.
_H: Final = struct.Struct("!h")
_I: Final = struct.Struct("!i")
_MESSAGE: Final = struct.Struct("!ci")
_LENGTH_BYTES: Final = 4

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
    """

    session_level: str | None = None

    def __init__(
        self, *, host: str = "localhost", port: int = 5432, timeout: float = math.inf, **options: Any
    ) -> None:
        self._time_limit_s = timeout
        # Every read until the session is ready is bounded by this, all later ones by what is left then.
        limit_s = time_left.for_work(timeout)
        # Left to pg8000, the socket would stay open if anything of this failed early.
        sock = None if "unix_sock" in options else _socket(host, port, limit_s)
        try:
            super().__init__(host=host, port=port, timeout=_as_timeout(limit_s), sock=sock, **options)
        except BaseException as error:
            if sock is not None:
                sock.close()
            if isinstance(error, _NO_PROTOCOL):
                raise pg8000.InterfaceError(_NETWORK_ERROR) from error
            raise
        self._prepared: dict[str, tuple[Any, Any, Any]] = {}
        for oid, converter in _CONVERTERS.items():
            self.register_in_adapter(oid, converter)

    def handle_messages(self, context: Any) -> None:
        """Read the answer to one message, for no longer than the invocation lasts.

        Raises:
            InterfaceError: There is none, or it is not in PostgreSQL's protocol: the connection is of no more
                use.
        """
        if self._usock is None:
            raise pg8000.InterfaceError("connection is closed")
        self._usock.settimeout(_as_timeout(time_left.for_work(self._time_limit_s)))
        try:
            self._read_messages(context)
        except (OSError, *_NO_PROTOCOL) as error:
            raise pg8000.InterfaceError(_NETWORK_ERROR) from error
        if context.error is not None:
            raise context.error

    def _read_messages(self, context: Any) -> None:
        """Do what pg8000 does, which copies each part of a message through a buffer of its own."""
        read, handlers, code = self._sock.read, self.message_types, None
        while code != READY_FOR_QUERY:
            code, size = _MESSAGE.unpack(read(_MESSAGE.size))
            body = read(size - _LENGTH_BYTES)
            if len(body) != size - _LENGTH_BYTES:
                raise EOFError
            handlers[code](body, context)

    def cursor(self) -> PreparedCursor:
        return PreparedCursor(self)

    @property
    def must_begin(self) -> bool:
        """Whether the next statement is the first of a transaction."""
        return not self._in_transaction and not self.autocommit

    def commit(self) -> None:
        """Commit in one round trip; pg8000 would prepare the word first."""
        self.execute_simple(COMMIT)

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
            (context,) = self.execute_together([(operation, values)], commits=False)
            return context
        name, columns, input_funcs = self._statement(operation)
        try:
            return self.execute_named(name, _written(self.py_types, values), columns, input_funcs, operation)
        except DatabaseError:
            # It may be the plan that went wrong: a migration can change what a statement returns.
            del self._prepared[operation]
            raise

    def execute_together(
        self, operations: Sequence[Operation], *, commits: bool, then: Operation | None = None
    ) -> Sequence[Any]:
        """Run statements of one transaction in one round trip: none waits for the answer to the one before.

        Each sees what was committed when its turn came, as if sent by itself. A transaction is begun with the
        first of them if none is open; ``commits`` ends it with the last, unless that went wrong: then it is
        left to be rolled back. Returns pg8000's context of each statement.

        Args:
            then: A statement that is a transaction of its own, after that end. Its context has its error:
                what comes before it is done all the same.

        Raises:
            Error: The first that went wrong, once all answers are in.
        """
        if not operations:
            if commits:
                self.commit()
            return []
        last = len(operations) - 1
        operations = [*operations, then] if then else operations
        statements = [self._statement(operation) for operation, _ in operations]
        contexts = [
            Context(operation, columns=columns, input_funcs=funcs)
            for (operation, _), (_, columns, funcs) in zip(operations, statements, strict=True)
        ]
        bound = [_written(self.py_types, values) for _, values in operations]
        # What cannot be sent must be found out before anything is:
        # the next user would complete half a message.
        parts = [
            self._execution(name, values) + SYNC_MSG
            for (name, _, _), values in zip(statements, bound, strict=True)
        ]
        # A word has no answer of its own: it goes with the statement beside it, and so do its errors.
        if self.must_begin:
            parts[0] = self._word(BEGIN) + parts[0]
        if commits:
            parts[last] = parts[last].removesuffix(SYNC_MSG) + self._word(COMMIT) + SYNC_MSG
        self._send(b"".join(parts))
        answers = [self._answer(context) for context in contexts]
        if any(answers):
            for operation, _ in operations:
                self._prepared.pop(operation, None)
        errors = [error for error in answers[: last + 1] if error]
        if errors:
            first = errors[0]
            raise (_by_cause(first) if isinstance(first, DatabaseError) else first) from first
        return contexts

    def _word(self, word: str) -> bytes:
        name, _, _ = self._statement(word)
        return self._execution(name, ())

    def execute_named(
        self, name: Any, values: Sequence[str | None], columns: Any, input_funcs: Any, operation: str
    ) -> Any:
        """Return pg8000's context of one execution of a prepared statement, sent as one message."""
        context = Context(columns=columns, input_funcs=input_funcs, statement=operation)
        self._send(self._execution(name, values) + SYNC_MSG)
        self.handle_messages(context)
        return context

    def _execution(self, name: Any, values: Sequence[str | None]) -> bytes:
        """Return what binds parameters and executes, for all of the answer to come at once.

        pg8000 has the server send each part of it as soon as it is there (Flush, after Bind and after
        Execute): three packets, and three times the server and this process wake each other.
        """
        body = bytearray(b"\0" + name + _H.pack(0) + _H.pack(len(values)))
        for value in values:
            if value is None:
                body += _I.pack(-1)
            else:
                encoded = value.encode(self._client_encoding)
                body += _I.pack(len(encoded)) + encoded
        body += _H.pack(0)
        return b"".join((BIND, _I.pack(len(body) + 4), body, EXECUTE_MSG))

    def _send(self, data: bytes) -> None:
        try:
            self._sock.write(data)
            self._sock.flush()
        except OSError as error:
            raise pg8000.InterfaceError(_NETWORK_ERROR) from error

    def _answer(self, context: Any) -> pg8000.Error | None:
        """Read one answer; return the error that it is, if it is one."""
        try:
            self.handle_messages(context)
        except pg8000.Error as error:
            if error is not context.error:
                raise  # no answer: there will be no further ones
            return error
        return None

    def _statement(self, operation: str) -> tuple[Any, Any, Any]:
        """Return name, columns and converters of a statement, which is prepared first if it has to be."""
        found = self._prepared.get(operation)
        if found is None:
            found = self._prepared[operation] = self.prepare_statement(operation, ())
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


def _written(writers: Mapping[type, Callable[[Any], str | None]], values: Sequence[Any]) -> list[str | None]:
    """Return parameters as they are sent: text, as most are, without being looked at any further."""
    return [each if type(each) is str else make_param(writers, each) for each in values]


def _by_cause(error: DatabaseError) -> DatabaseError:
    """Return the error as the class that pg8000's own cursor would raise."""
    fields = error.args[0]
    is_duplicate = isinstance(fields, dict) and fields.get("C") == _UNIQUE_VIOLATION
    return (pg8000.IntegrityError if is_duplicate else pg8000.ProgrammingError)(fields)
