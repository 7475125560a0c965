"""What reads all of the record is not ended by the limits that a stage's server sets for functions, and waits
for no server that does not let it in.
"""

import socket
from contextlib import suppress
from threading import Timer

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import is_passing
from infra.cli import slow_database
from infra.cli.session import CliSession

LIMIT = "50ms"
_IS_LONG_IDLE_OR_GONE = text(f"""
SELECT coalesce(bool_and(state = 'idle in transaction'
    AND clock_timestamp() - state_change > 4 * interval '{LIMIT}'), true)
FROM pg_stat_activity WHERE pid = :pid
""")  # noqa: S608  # a constant


def test_transaction_that_waits_for_something_else_goes_on_beyond_the_servers_limits(
    database_url: str,
) -> None:
    watcher = make_engine(database_url)
    name = database_url.rpartition("/")[2]
    with watcher.begin() as connection:
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"ALTER DATABASE {name} SET {limit} = '{LIMIT}'"))
    engine = CliSession(database_url, is_json=True).patient_engine
    with engine.connect() as reading:
        pid = reading.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.1)")).scalar_one()
        with watcher.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            while not connection.execute(_IS_LONG_IDLE_OR_GONE, {"pid": pid}).scalar_one():
                pass
        assert reading.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
    watcher.dispose()


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_server_that_lets_nothing_in_is_given_up(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_database, "CONNECT_TIME_LIMIT_S", 2)
    # As one that hangs: the system accepts connections in its name.
    with socket.create_server(("127.0.0.1", 0)) as server:
        # What waits for ever meets its end, and the test fails.
        end = Timer(600, server.close)
        end.start()
        url = f"{driver}://u:p@127.0.0.1:{server.getsockname()[1]}/d"
        engine = CliSession(url, is_json=True).patient_engine
        with pytest.raises(DBAPIError) as refused:
            engine.connect()
        end.cancel()
        engine.dispose()
        assert server.fileno() >= 0, "it waited until the server was gone"
    assert is_passing(refused.value)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_answer_may_take_longer_than_connecting(database_url: str, driver: str) -> None:
    engine = make_engine(
        f"{driver}://{database_url.partition('://')[2]}", time_limit_s=60, connect_time_limit_s=1
    )
    with _connected(engine) as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(:s)"), {"s": 2}).scalar_one() == 1
    engine.dispose()


def _connected(engine: Engine) -> Connection:
    """Connect; again, should the machine be too slow for a connection within a second."""
    for _ in range(30):
        with suppress(DBAPIError):
            return engine.connect()
    return engine.connect()
