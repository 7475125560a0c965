"""What is told of a database that takes its time to let in."""

import socket
import threading

import pytest
from sqlalchemy.exc import DBAPIError

from infra.cli import slow_database


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_database_that_does_not_let_in_at_once_is_named_while_it_is_waited_for(
    driver: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_database, "CONNECT_TIME_LIMIT_S", 2)
    monkeypatch.setattr(slow_database, "TOLD_AFTER_S", 0.01)
    # As one that hangs: the system accepts connections in its name.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        engine = slow_database.engine_at(f"{driver}://user:secret@127.0.0.1:{port}/d", time_limit_s=1)
        with pytest.raises(DBAPIError):
            engine.connect()
    assert capfd.readouterr().err == f"waiting for the database at 127.0.0.1:{port}, 2 s at most\n"


def test_database_that_refuses_at_once_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_database, "TOLD_AFTER_S", 3_600)
    before = set(threading.enumerate())
    engine = slow_database.engine_at("postgresql://u:p@127.0.0.1:1/d", time_limit_s=1)
    with pytest.raises(DBAPIError):
        engine.connect()
    timers = [each for each in set(threading.enumerate()) - before if isinstance(each, threading.Timer)]
    assert all(each.finished.is_set() for each in timers)
