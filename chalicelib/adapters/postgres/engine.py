"""Connections to Postgres: driver choice, time limits, and what makes them fast."""

import math
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from chalicelib.adapters.postgres.error_translation import condemns_connection
from chalicelib.adapters.postgres.prepared import PreparedConnection
from chalicelib.adapters.time_left import time_left

CONNECT_TIME_LIMIT_S: Final = 5
"""Longer than any healthy connect, shorter than a Lambda's time limit."""

POOL_TIME_LIMIT_S: Final = 5
"""For a connection that another thread gives back."""

SSL_MODES: Final = ("disable", "require", "verify-full")
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SOCKET_PATHS: Final = ("/", "@")  # a directory of sockets, and a name in Linux's abstract space
_PLACES: Final = ("host", "hostaddr")
_LOOKED_UP_ELSEWHERE: Final = frozenset({"service", "servicefile"})
_DEFAULT_HOST: Final = "localhost"

Connect = Callable[[Dialect, object, Sequence[Any], dict[str, Any]], PreparedConnection]


class TimedPool(QueuePool):
    """A pool whose connections are not waited for beyond the end of the invocation."""

    _is_disposed = False

    def dispose(self) -> None:
        """Close what is not lent; what is, is closed when it comes back, since nothing is lent here again."""
        self._is_disposed = True
        super().dispose()

    def lend(self) -> Any:
        """Return a connection's entry for a statement that is its own transaction; ``take_back`` takes it.

        SQLAlchemy's own way also finds connections that were forgotten, and rolls back: twice as much of the
        interpreter's work as the rest of a statement.

        Raises:
            Exception: The driver's, where a new connection is refused.
            TimeoutError: SQLAlchemy's: none was free in time.
        """
        entry: Any = self._do_get()
        try:
            entry.get_connection()
        except BaseException as error:
            entry.invalidate(error)
            self.take_back(entry)
            raise
        return entry

    def take_back(self, entry: Any) -> None:
        """Keep a connection on which no transaction is open, or one that was invalidated."""
        self._do_return_conn(entry)

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._is_disposed:
            record.close()
        super()._do_return_conn(record)

    def _do_get(self) -> ConnectionPoolEntry:
        self._timeout = time_left.for_work(POOL_TIME_LIMIT_S)
        if not self._timeout:
            raise PoolTimeoutError("no time is left for the database")
        record = super()._do_get()
        connection = record.dbapi_connection
        if isinstance(connection, PreparedConnection) and connection.has_ended():
            # As after a failover: what was idle then fails no statement.
            record.invalidate()
        return record


def make_engine(
    url: str,
    *,
    pool_size: int = 5,
    time_limit_s: int = CONNECT_TIME_LIMIT_S,
    connect_time_limit_s: int | None = None,
    connect: Connect | None = None,
    before_connecting: Callable[[], None] | None = None,
) -> Engine:
    """Return an engine for a database URL; nothing is connected yet.

    ``postgresql://`` means pg8000; ``postgresql+psycopg://`` chooses the faster driver where it
    is installed. Connections come back ready for single statements (each its own transaction);
    ``engine.begin()`` still gives a transaction of several. ``encryption`` says what becomes of TLS.

    Args:
        time_limit_s: For connecting, and for each answer of the server.
        connect_time_limit_s: For connecting instead, where answers may take longer than any server that is
            well takes to let in.
        connect: Makes pg8000's connections instead, as a handler of SQLAlchemy's event ``do_connect``.
        before_connecting: Called before each connection is made.

    Raises:
        ValueError: The URL asks for an ``sslmode`` that is not offered.
    """
    address = _with_driver(make_url(url))
    mode, root_certificate = encryption(address)
    address = address.difference_update_query(("sslmode", "sslrootcert"))
    connect_s = connect_time_limit_s or time_limit_s
    engine = create_engine(
        address,
        pool_size=pool_size,
        max_overflow=pool_size,
        poolclass=TimedPool,
        connect_args=_connect_args(address, mode, root_certificate, connect_s),
        # The connection used last has most statements prepared.
        pool_use_lifo=True,
        # A statement that was its own transaction leaves nothing to roll back.
        skip_autocommit_rollback=True,
        query_cache_size=200,
        **_dialect_arguments(address),
    )
    event.listen(engine, "handle_error", _notice_end)
    if before_connecting is not None:
        event.listen(engine, "do_connect", lambda *_: before_connecting())
    if address.get_driver_name() == "pg8000":
        event.listen(engine, "do_connect", connect or _connect)
        engine.dialect.set_isolation_level = _switcher(engine.dialect)  # type: ignore[assignment, method-assign]  # see there
        event.listen(engine, "connect", _send_at_once)
    else:
        event.listen(engine, "do_connect", _psycopg_connect(connect_s))
    event.listen(engine, "connect", _limit(time_limit_s))
    return engine


def encryption(address: URL) -> tuple[str, str | None]:
    """Return how a connection is encrypted, in libpq's words, and the file of certificates to trust, if any.

    A server on this machine is spoken to in the clear, any other with TLS, its certificate and name verified
    (``verify-full``). ``?sslmode=`` in the URL chooses otherwise: ``require`` encrypts without verifying,
    ``disable`` is for networks that are private already; ``?sslrootcert=`` names certificates of one's own.

    Raises:
        ValueError: Another ``sslmode``: libpq's weaker ones fall back to the clear in silence.
    """
    is_local = all(_is_this_machine(place) for place in _places(address))
    mode = address.query.get("sslmode", "disable" if is_local else "verify-full")
    certificate = address.query.get("sslrootcert")
    if mode not in SSL_MODES or not isinstance(mode, str):
        raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}")
    return mode, certificate if isinstance(certificate, str) else None


def _places(address: URL) -> Iterator[str]:
    """Yield every place that the drivers may connect to by this URL: its query goes before its host."""
    if address.host:
        yield address.host
    for name, value in address.query.items():
        if name in _PLACES:
            for listed in (value,) if isinstance(value, str) else value:
                yield from listed.split(",")
        elif name in _LOOKED_UP_ELSEWHERE:
            yield f"whatever {name} says"


def _is_this_machine(place: str) -> bool:
    if place.startswith(_SOCKET_PATHS):
        return True
    # In a query, a port may follow: SQLAlchemy's way of naming several hosts.
    return place in _THIS_MACHINE or place.rpartition(":")[0] in _THIS_MACHINE


def _with_driver(address: URL) -> URL:
    if address.drivername in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+pg8000")
    return address


def _connect_args(address: URL, mode: str, root_certificate: str | None, connect_s: int) -> dict[str, Any]:
    if address.get_driver_name() == "pg8000":
        limit = {"timeout": connect_s}
        # Unless told, pg8000 asks for TLS, loads all authorities for it, and then verifies nothing.
        return limit | {"ssl_context": mode != "disable" and _context(mode, root_certificate)}
    # libpq's own default for the certificates is a file that no Lambda has.
    trusted = {} if mode == "disable" else {"sslrootcert": root_certificate or "system"}
    # What is not said here, libpq would take from the environment: PGHOST and PGHOSTADDR can lead anywhere.
    named = {name: "" for name in ("hostaddr",) if name not in address.query}
    if not address.host and "host" not in address.query:
        named["host"] = _DEFAULT_HOST
    return {"connect_timeout": connect_s, "sslmode": mode} | named | trusted


def _context(mode: str, root_certificate: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=root_certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if mode == "require":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _dialect_arguments(address: URL) -> dict[str, Any]:
    return {"paramstyle": "numeric_dollar"} if address.get_driver_name() == "pg8000" else {}


def _switcher(dialect: Dialect) -> Callable[[Any, str], None]:
    """Return what switches a pg8000 connection to single statements and back without asking the server.

    SQLAlchemy's own way back is BEGIN, SET SESSION and COMMIT: three round trips after each
    statement that is a transaction of its own. But the way there does not change the
    session's level, so there is nothing to set.
    """
    ask = dialect.set_isolation_level

    def switch(connection: PreparedConnection, level: str) -> None:
        if level == "AUTOCOMMIT":
            connection.autocommit = True
        elif level == (connection.session_level or dialect.default_isolation_level):
            connection.autocommit = False
        else:
            ask(connection, level)  # type: ignore[arg-type]  # a connection of the driver's, in SQLAlchemy's terms
            connection.session_level = level

    return switch


def _connect(
    _dialect: Dialect, _record: object, arguments: Sequence[Any], named: dict[str, Any]
) -> PreparedConnection:
    return PreparedConnection(*arguments, **named)


def _send_at_once(connection: Any, _record: object) -> None:
    """Turn Nagle's algorithm off.

    pg8000 writes a long statement in several parts; Nagle then waits for an acknowledgement that
    the server delays by 40 ms. ``_usock`` is private: ``tests/integration/test_engine.py`` fails
    if a release renames it.
    """
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # noqa: SLF001  # no public way


def _limit(time_limit_s: int) -> Callable[[Any, object], None]:
    """Return what bounds every later answer, so that a hanging server cannot outlast an invocation."""

    def limit(connection: Any, _record: object) -> None:
        connection.time_limit_s = time_limit_s

    return limit


def _psycopg_connect(connect_s: int) -> Callable[[Dialect, object, Sequence[Any], dict[str, Any]], object]:
    def connect(
        _dialect: Dialect, _record: object, arguments: Sequence[Any], named: dict[str, Any]
    ) -> object:
        from chalicelib.adapters.postgres.psycopg_connection import (  # noqa: PLC0415  # another driver may not be there
            TimedConnection,
        )

        # Whole seconds, and never less than two: libpq's rules.
        left_s = time_left.for_work(connect_s)
        limit = {} if math.isinf(left_s) else {"connect_timeout": max(2, int(left_s))}
        return TimedConnection.connect(*arguments, **named | limit)

    return connect


def _notice_end(context: ExceptionContext) -> None:
    """Have a connection replaced, not pooled, that the peer reset, or whose session is of no more use.

    pg8000 lets some of the socket's errors through as they are, and SQLAlchemy looks for a lost connection
    among the driver's own alone. A session that only reads is none at all to SQLAlchemy's mind.
    """
    error = context.original_exception
    if isinstance(error, OSError) or condemns_connection(error):
        context.is_disconnect = True
