"""Connections to Postgres: driver choice, time limits, and what makes them fast."""

import socket
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url

CONNECT_TIME_LIMIT_S: Final = 5
"""Longer than any healthy connect, shorter than a Lambda's patience."""


def make_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Return an engine for a database URL; nothing is connected yet.

    ``postgresql://`` means pg8000; ``postgresql+psycopg://`` chooses the faster driver where it
    is installed. Connections come back ready for single statements (each its own transaction);
    ``engine.begin()`` still gives a transaction of several.
    """
    address = _with_driver(make_url(url))
    engine = create_engine(
        address,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=CONNECT_TIME_LIMIT_S,
        connect_args=_connect_args(address),
        # The planner's work is the same each time, and so is SQLAlchemy's.
        query_cache_size=200,
    )
    if address.get_driver_name() == "pg8000":
        event.listen(engine, "connect", _send_at_once)
    return engine


def _with_driver(address: URL) -> URL:
    if address.drivername in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+pg8000")
    return address


def _connect_args(address: URL) -> dict[str, Any]:
    if address.get_driver_name() == "pg8000":
        # Bounds every later read of the socket too, so a hanging server cannot outlast an invocation.
        return {"timeout": CONNECT_TIME_LIMIT_S}
    return {"connect_timeout": CONNECT_TIME_LIMIT_S}


def _send_at_once(connection: Any, _record: object) -> None:
    """Turn Nagle's algorithm off.

    pg8000 writes a long statement in several parts; Nagle then waits for an acknowledgement that
    the server delays by 40 ms. ``_usock`` is private: ``tests/integration/test_engine.py`` fails
    if a release renames it.
    """
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # noqa: SLF001  # no public way
