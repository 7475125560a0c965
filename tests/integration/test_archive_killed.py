"""A process that archives is killed at each of its steps: no order is in two places then, none in neither."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import archive_check
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.archiving import archiver
from chalicelib.wire.archived_orders import unpacked
from tests.integration.archives import DAYS, ended, on_record

ORDERS: Final = 3
EVENTS: Final = 6
# A test before may have left this process with threads, which a fork of it would be warned of.
PROCESSES: Final = get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])
BLOCKED: Final = text("""
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%archive_with_transactions%'
""")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dies(FolderArchiveStore):
    """A folder whose process is killed at one moment."""

    def __init__(self, folder: Path, moment: str) -> None:
        super().__init__(folder)
        self._moment = moment

    def put(self, place: str, content: bytes) -> None:
        if self._moment == "before it is written":
            die()
        if self._moment == "half written":
            vars(os)["fsync"] = lambda _: die()  # of this process alone
        super().put(place, content)
        if self._moment == "written":
            die()

    def get(self, place: str) -> bytes | None:
        found = super().get(place)
        if self._moment == "read back":
            die()
        return found


def archive_and_die(url: str, folder: Path, moment: str) -> None:
    """Archive as a process of one's own, which is killed at the moment, or after all has been committed."""
    archiver(make_engine(url), Dies(folder, moment), retention_days=DAYS).run(on_part=lambda _: die())


def killed(url: str, folder: Path, moment: str, until: Callable[[], bool] | None = None) -> None:
    """Have a process archive, and wait until it has been killed: by itself, or from here once that is so."""
    process = PROCESSES.Process(target=archive_and_die, args=(url, folder, moment))
    process.start()
    if until is not None:
        while not until():
            assert process.is_alive()
            time.sleep(0.01)
        process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def assert_all_is_in_one_place(engine: Engine, folder: Path) -> None:
    """Hold the record against the archives that it names, both as of one moment: a server may finish what no
    process waits for between two looks.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        places = connection.execute(text("SELECT place FROM archives")).scalars().all()
        here = connection.execute(text("SELECT order_id::text FROM order_events WHERE seq = 1")).scalars()
        kept = [
            order.order_id
            for place in places
            for order in unpacked(FolderArchiveStore(folder).get(place) or b"")
        ]
        found = sorted([*here, *kept])
        assert found == sorted(connection.execute(text("SELECT order_id::text FROM orders")).scalars())
        assert archive_check(FolderArchiveStore(folder)).violations(connection) == []
        events = connection.execute(text("SELECT count(*) FROM order_events")).scalar_one()
        archived = connection.execute(text("SELECT coalesce(sum(events), 0) FROM archives")).scalar_one()
        assert events + archived == EVENTS * ORDERS


@pytest.mark.parametrize(
    "moment", ["before it is written", "half written", "written", "read back", "after it is committed"]
)
def test_killed_at_a_step_it_goes_on_and_nothing_is_there_twice_or_lost(
    engine: Engine, database_url: str, tmp_path: Path, moment: str
) -> None:
    ended(engine, ORDERS)
    killed(database_url, tmp_path, moment)
    assert_all_is_in_one_place(engine, tmp_path)
    assert on_record(engine)[3] == (1 if moment == "after it is committed" else 0)
    archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS).run()
    assert on_record(engine) == (ORDERS, 0, 0, 1)
    assert_all_is_in_one_place(engine, tmp_path)
    # What was half written has a name that no archive has.
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert len([name for name in names if not name.startswith(".")]) == 1


def test_killed_between_two_parts_it_writes_the_second_again_under_the_same_name(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    ended(engine, 1, days_ago=41)
    ended(engine, ORDERS - 1)
    killed(database_url, tmp_path, "after it is committed")
    assert_all_is_in_one_place(engine, tmp_path)
    assert on_record(engine)[3] == 1
    archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS).run()
    assert on_record(engine) == (ORDERS, 0, 0, 2)
    assert_all_is_in_one_place(engine, tmp_path)
    # The second part may have been written, or half of it, while the first was dropped.
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert len([name for name in names if not name.startswith(".")]) == 2


def test_killed_while_the_database_is_at_work_it_finds_that_done(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    ended(engine, ORDERS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:

        def is_blocked() -> bool:
            return bool(watcher.execute(BLOCKED).scalar_one())

        with engine.begin() as holder:
            holder.execute(text("SELECT FROM orders FOR UPDATE"))
            killed(database_url, tmp_path, "in the database", until=is_blocked)
        while is_blocked():
            time.sleep(0.01)
    # The server may finish what nobody waits for any more: either way it is all or nothing.
    assert_all_is_in_one_place(engine, tmp_path)
    archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS).run()
    assert_all_is_in_one_place(engine, tmp_path)
    assert on_record(engine) == (ORDERS, 0, 0, 1)
