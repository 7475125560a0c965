"""What the database does in chaos besides dying: it hangs, takes no writes, ends sessions, has rows held."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

_OTHERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_END_OTHERS: Final = text(_OTHERS)
_HOLD_SOME: Final = text("""
SELECT order_id FROM orders WHERE ended_at IS NULL LIMIT 3 FOR UPDATE SKIP LOCKED
""")
_DATABASE: Final = text("SELECT quote_ident(current_database())")
_NO_WRITES: Final = "default_transaction_read_only"


class DatabaseFaults:
    """Strikes at the database that an instance runs; each fault names itself, and is over when it returns."""

    def __init__(
        self, dice: Random, status: Callable[[], dict[str, Any]], engine: Callable[[], Engine]
    ) -> None:
        self._dice, self._status, self._engine = dice, status, engine

    def freeze(self) -> str:
        """Stop all processes of the server for a while: connections stay, and nothing is answered."""
        servers = self._status()["pids"].get("postgres", [])
        stopped = [pid for server in servers for pid in (server, *_descendants(server))]
        for pid in stopped:
            _signal(pid, signal.SIGSTOP)
        try:
            self._wait(1, 3, 8)
        finally:
            for pid in stopped:
                _signal(pid, signal.SIGCONT)
        return "froze Postgres"

    def hold_orders(self) -> str:
        """Leave a transaction open for a while."""
        with self._engine().begin() as connection:
            number = len(connection.execute(_HOLD_SOME).all())
            self._wait(1, 6)
        return f"held the rows of {number} orders"

    def end_sessions(self) -> str:
        with self._alone() as connection:
            number = len(connection.execute(_END_OTHERS).all())
        return f"ended {number} sessions"

    def take_no_writes(self) -> str:
        """Only read for a while, as a server that was demoted."""
        with self._alone() as connection:
            name = connection.execute(_DATABASE).scalar_one()
            connection.execute(text(f"ALTER DATABASE {name} SET {_NO_WRITES} = on"))
            try:
                connection.execute(_END_OTHERS)
                self._wait(1, 4)
            finally:
                connection.execute(text(f"SET {_NO_WRITES} = off"))
                connection.execute(text(f"ALTER DATABASE {name} RESET {_NO_WRITES}"))
        return "took no writes for a while"

    def _alone(self) -> Connection:
        return self._engine().connect().execution_options(isolation_level="AUTOCOMMIT")

    def _wait(self, *seconds: int) -> None:
        time.sleep(self._dice.choice(seconds))


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _descendants(pid: int) -> Iterator[int]:
    """Yield those that there are; processes and threads that end meanwhile have none."""
    threads: list[Path] = []
    with suppress(OSError):
        threads += Path(f"/proc/{pid}/task").iterdir()
    for thread in threads:
        with suppress(OSError):
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from _descendants(child)
