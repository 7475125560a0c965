"""``orderflow archive`` that ends early: it says how far it came, and the next run goes on."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.engine import make_engine
from infra.cli import archive as archive_command
from infra.cli.late_commands import INTERRUPTED
from infra.cli.orderflow import orderflow
from infra.cli.session import CliSession
from tests.integration.archives import ended, on_record


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def archiving(engine: Engine, folder: Path) -> Result:
    url = engine.url.render_as_string(hide_password=False)
    return CliRunner().invoke(
        orderflow,
        ["--database-url", url, "--json", "archive", "--archives", str(folder)],
        catch_exceptions=False,
    )


def test_command_that_stops_half_way_says_how_many_are_archived(engine: Engine, tmp_path: Path) -> None:
    ended(engine, days_ago=41)
    ended(engine)
    # The later one's day is a file already.
    day = (datetime.now(UTC) - timedelta(days=40)).date()
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / day.isoformat()).touch()
    found = archiving(engine, tmp_path)
    assert found.exit_code == 1
    assert "after 1 orders; start it again to go on" in found.output


def test_command_that_is_interrupted_says_how_many_are_archived(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(engine, days_ago=41)
    ended(engine)

    class Interrupted(FolderArchiveStore):
        def put(self, place: str, content: bytes) -> None:
            if any(tmp_path.rglob("*.gz")):
                raise KeyboardInterrupt
            super().put(place, content)

    monkeypatch.setitem(vars(archive_command), "store_at", lambda _: Interrupted(tmp_path))
    found = archiving(engine, tmp_path)
    assert found.exit_code == INTERRUPTED
    assert "Interrupted after 1 orders; start it again to go on" in found.output
    monkeypatch.undo()
    assert archiving(engine, tmp_path).exit_code == 0
    assert on_record(engine) == (2, 0, 0, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_that_is_told_to_stop_ends_between_two_parts_and_the_next_run_goes_on(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    days = 9  # more parts than are under way at once
    for day in range(days):
        ended(engine, days_ago=40 + day)

    class Stopped(FolderArchiveStore):
        def put(self, place: str, content: bytes) -> None:
            if not any(tmp_path.rglob("*.gz")):
                os.kill(os.getpid(), number)
            super().put(place, content)

    monkeypatch.setitem(vars(archive_command), "store_at", lambda _: Stopped(tmp_path))
    found = archiving(engine, tmp_path)
    assert found.exit_code == 128 + number
    archives = on_record(engine)[3]
    assert 0 < archives < days
    assert f"Stopped after {archives} orders; start it again to go on" in found.output
    monkeypatch.undo()
    assert archiving(engine, tmp_path).exit_code == 0
    assert on_record(engine) == (days, 0, 0, days)


def test_command_about_all_of_the_record_waits_longer_than_a_function_would(database_url: str) -> None:
    session = CliSession(database_url, is_json=True)
    usual, patient = map(answer_limit_s, (session.engine, session.patient_engine))
    session.close()
    assert usual < 60
    assert patient > 3_600


def answer_limit_s(engine: Engine) -> float:
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        limit: float = driver._usock.gettimeout()
    return limit
