"""A PostgreSQL server and its standby, which lags and is promoted: the last commits are on neither then."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.support.cutting_proxy import CuttingProxy
from tests.support.memory import folder_in_memory
from tests.support.ports import free_port
from tests.support.postgres_server import initialised, run_as_server, servers_folder, serving


class Pair:
    """Two servers behind one address, as a name or a virtual address stands for whichever is the primary."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._primary_port, self._standby_port = free_port(), free_port()
        self._primary = ExitStack()
        running.enter_context(self._primary)
        data = initialised(folder)
        self.primary_url, _ = self._primary.enter_context(serving(data, self._primary_port))
        copy = servers_folder(folder / "standby")
        where = f"host=127.0.0.1 port={self._primary_port} user=app"
        run_as_server("pg_basebackup", "-d", where, "-D", str(copy), "-R", "-c", "fast", "--no-sync")
        self.standby_url, _ = running.enter_context(serving(copy, self._standby_port))
        self._proxy = CuttingProxy("127.0.0.1", self._primary_port)
        running.callback(self._proxy.close)
        self.url = str(make_url(self.primary_url).set(port=self._proxy.port).render_as_string(False))

    def lag(self) -> None:
        """Have the standby hear of nothing that is committed from now on, once it has all of before."""
        (where,) = self.ask(self.primary_url, "SELECT pg_current_wal_lsn()")
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{where}'"
        while not self.ask(self.standby_url, reached)[0]:
            time.sleep(0.01)
        self.ask(self.standby_url, "ALTER SYSTEM SET primary_conninfo = ''")
        self.ask(self.standby_url, "SELECT pg_reload_conf()")
        while self.ask(self.standby_url, "SELECT count(*) FROM pg_stat_wal_receiver")[0]:
            time.sleep(0.01)

    def fail_over(self) -> None:
        """Kill the primary, promote the standby, and let the address lead there."""
        self._primary.close()
        self.promote()
        self._proxy.lead_to("127.0.0.1", self._standby_port)

    def promote(self) -> None:
        assert self.ask(self.standby_url, "SELECT pg_promote()")[0]

    def ask(self, url: str, statement: str) -> Any:
        """Return the first row that a statement selects, none if it selects nothing."""
        engine = create_engine(url.replace("postgresql://", "postgresql+pg8000://"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.execute(text(statement))
            row = result.fetchone() if result.returns_rows else None
        engine.dispose()
        return row


@contextmanager
def pair() -> Iterator[Pair]:
    """Run two servers, the second one a standby of the first."""
    with folder_in_memory() as folder, ExitStack() as running:
        yield Pair(folder, running)
