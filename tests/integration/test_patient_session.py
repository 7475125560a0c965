"""What reads all of the record is not ended by the limits that a stage's server sets for functions."""

from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
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
