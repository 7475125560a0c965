"""Waiting for what waits: writers that meet at a row come there one after the other."""

from collections.abc import Callable

from sqlalchemy import Connection, text

_WAITING = text("""
SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN (
    SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database())
""")


def wait_for_waiting(
    connection: Connection, count: int, *, or_until: Callable[[], bool] = lambda: False
) -> None:
    """Return once so many connections wait for a lock of another's.

    Args:
        or_until: Whether what waits for a bounded time alone has done so, unseen.
    """
    while connection.execute(_WAITING).scalar_one() < count and not or_until():
        pass
