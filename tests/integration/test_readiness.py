"""Whether a database takes writes and holds a market, on real ones that do not."""

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.readiness import check_takes_writes
from chalicelib.adapters.simulated_market.readiness import check_has_pools
from chalicelib.domain.errors import RetryableError

NOWHERE = "postgresql://app:app@127.0.0.1:9/nothing"
DRIVERS = ["postgresql", "postgresql+psycopg"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_database_that_takes_writes_passes_and_keeps_its_settings(database_url: str, driver: str) -> None:
    engine = make_engine(database_url.replace("postgresql", driver, 1), pool_size=1)
    for _ in range(2):
        check_takes_writes(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW work_mem")).scalar_one() != "64kB"
    engine.dispose()


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        # As on a disk that is full, the server may not put anything there.
        ("temp_file_limit = 64", "did not answer"),
        ("default_transaction_read_only = on", "takes no writes"),
        # A crash would take attempts back whose bytes have been sent since.
        ("synchronous_commit = off", "confirms commits before they are kept"),
        # A statement that has waited for a cancel of all would not see it, and the order would execute.
        ("default_transaction_isolation = 'repeatable read'", "default_transaction_isolation"),
        ("default_transaction_isolation = 'serializable'", "default_transaction_isolation"),
    ],
)
def test_database_that_takes_no_writes_or_may_lose_them_or_isolates_otherwise_is_not_ready(
    database_url: str, setting: str, problem: str
) -> None:
    name = database_url.rpartition("/")[2]
    owner = make_engine(database_url)
    with owner.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET {setting}'))
    owner.dispose()
    engine = make_engine(database_url)
    with pytest.raises(RetryableError, match=problem):
        check_takes_writes(engine)
    engine.dispose()


@pytest.mark.parametrize("setting", ["default_transaction_read_only", "synchronous_commit"])
def test_database_is_ready_again_with_sessions_that_began_while_it_was_not(
    database_url: str, setting: str
) -> None:
    """A session keeps what the database's settings were at its start."""
    name = database_url.rpartition("/")[2]
    bad, good = ("on", "off") if "read_only" in setting else ("off", "on")
    owner, engine = make_engine(database_url), make_engine(database_url, pool_size=1)
    with owner.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET {setting} = {bad}'))
    with pytest.raises(RetryableError):
        check_takes_writes(engine)
    with owner.begin() as connection:
        connection.execute(text(f"SET {setting} = {good}"))
        connection.execute(text(f'ALTER DATABASE "{name}" RESET {setting}'))
    check_takes_writes(engine)
    owner.dispose()
    engine.dispose()


def test_database_that_does_not_answer_is_not_ready() -> None:
    engine = make_engine(NOWHERE)
    with pytest.raises(RetryableError):
        check_takes_writes(engine)
    engine.dispose()


def test_market_that_was_never_opened_is_not_ready(database_url: str, market_url: str) -> None:
    bare, opened = make_engine(database_url), make_engine(market_url)
    check_has_pools(opened)
    with pytest.raises(RetryableError, match=r"no pools: python -m chalicelib\.prepare opens it"):
        check_has_pools(bare)
    bare.dispose()
    opened.dispose()
