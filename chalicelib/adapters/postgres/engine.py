"""Connections to Postgres: driver choice, time limits, and what makes them fast."""

import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url

from chalicelib.adapters.postgres.prepared import PreparedConnection

CONNECT_TIME_LIMIT_S: Final = 5
"""Longer than any healthy connect, shorter than a Lambda's patience."""

SSL_MODES: Final = ("disable", "require", "verify-full")
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


Connect = Callable[[Dialect, object, Sequence[Any], dict[str, Any]], PreparedConnection]


def make_engine(
    url: str, *, pool_size: int = 5, time_limit_s: int = CONNECT_TIME_LIMIT_S, connect: Connect | None = None
) -> Engine:
    """Return an engine for a database URL; nothing is connected yet.

    ``postgresql://`` means pg8000; ``postgresql+psycopg://`` chooses the faster driver where it
    is installed. Connections come back ready for single statements (each its own transaction);
    ``engine.begin()`` still gives a transaction of several. ``encryption`` says what becomes of TLS.

    Args:
        time_limit_s: For connecting and, with pg8000, for each answer of the server.
        connect: Makes pg8000's connections instead, as a listener of SQLAlchemy's ``do_connect``.

    Raises:
        ValueError: The URL asks for an ``sslmode`` that is not offered.
    """
    address = _with_driver(make_url(url))
    mode, root_certificate = encryption(address)
    address = address.difference_update_query(("sslmode", "sslrootcert"))
    engine = create_engine(
        address,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIME_LIMIT_S,
        connect_args=_connect_args(address, mode, root_certificate, time_limit_s),
        # The connection used last has most statements prepared.
        pool_use_lifo=True,
        # A statement that was its own transaction leaves nothing to roll back.
        skip_autocommit_rollback=True,
        query_cache_size=200,
        **_dialect_arguments(address),
    )
    if address.get_driver_name() == "pg8000":
        event.listen(engine, "do_connect", connect or _connect)
        engine.dialect.set_isolation_level = _switcher(engine.dialect)  # type: ignore[assignment, method-assign]  # see there
        event.listen(engine, "connect", _send_at_once)
        event.listen(engine, "handle_error", _notice_reset)
    return engine


def encryption(address: URL) -> tuple[str, str | None]:
    """Return how a connection is encrypted, in libpq's words, and the file of certificates to trust, if any.

    A server on this machine is spoken to in the clear, any other with TLS, its certificate and name verified
    (``verify-full``). ``?sslmode=`` in the URL chooses otherwise: ``require`` encrypts without verifying,
    ``disable`` is for networks that are private already; ``?sslrootcert=`` names certificates of one's own.

    Raises:
        ValueError: Another ``sslmode``: libpq's weaker ones fall back to the clear in silence.
    """
    is_local = address.host is None or address.host in _THIS_MACHINE
    mode = address.query.get("sslmode", "disable" if is_local else "verify-full")
    certificate = address.query.get("sslrootcert")
    if mode not in SSL_MODES or not isinstance(mode, str):
        raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}")
    return mode, certificate if isinstance(certificate, str) else None


def _with_driver(address: URL) -> URL:
    if address.drivername in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+pg8000")
    return address


def _connect_args(address: URL, mode: str, root_certificate: str | None, time_limit_s: int) -> dict[str, Any]:
    if address.get_driver_name() == "pg8000":
        # Bounds every later read of the socket too, so a hanging server cannot outlast an invocation.
        arguments: dict[str, Any] = {"timeout": time_limit_s}
        return (
            arguments if mode == "disable" else arguments | {"ssl_context": _context(mode, root_certificate)}
        )
    # libpq's own default for the certificates is a file that no Lambda has.
    trusted = {} if mode == "disable" else {"sslrootcert": root_certificate or "system"}
    return {"connect_timeout": time_limit_s, "sslmode": mode} | trusted


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

    SQLAlchemy's own way back is BEGIN, SET SESSION and COMMIT: three round trips after each statement that is a
    transaction of its own. But the way there does not change the session's level, so there is nothing to set.
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


def _notice_reset(context: ExceptionContext) -> None:
    """Have a connection that the peer reset replaced, not pooled.

    pg8000 lets some of the socket's errors through as they are, and SQLAlchemy looks for a lost connection among the
    driver's own alone.
    """
    if isinstance(context.original_exception, OSError):
        context.is_disconnect = True
