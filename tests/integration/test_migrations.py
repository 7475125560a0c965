"""Migrations, on databases that are not made for tests."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.migrations import upgrade
from tests.support.postgres_server import sibling

_WAITS_BEYOND_LIMIT = text("""
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND clock_timestamp() - query_start > INTERVAL '1 s'
""")

_READ_OF_THE_MARKET = text("""
EXPLAIN (FORMAT JSON)
SELECT market.height_at(market.now()),
    (SELECT jsonb_agg(to_jsonb(pool)) FROM market.changed_pools('{}', 0) AS pool)
FROM market.chain
""")


@pytest.fixture
def impatient(server_url: str) -> Iterator[Engine]:
    """An empty database that gives each statement half a second."""
    name = f"impatient_{uuid.uuid4().hex[:8]}"
    admin = make_engine(server_url)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET statement_timeout = '500ms'"))
    engine = make_engine(sibling(server_url, name))
    yield engine
    engine.dispose()
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


def test_limit_made_for_the_functions_statements_does_not_end_a_migration(impatient: Engine) -> None:
    with impatient.begin() as setup:
        setup.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
    with ThreadPoolExecutor() as executor, impatient.connect() as watcher:
        watcher.execution_options(isolation_level="AUTOCOMMIT")
        with impatient.begin() as user:
            user.execute(text("LOCK TABLE alembic_version"))
            migrated = executor.submit(upgrade, impatient)
            while not (migrated.done() or watcher.execute(_WAITS_BEYOND_LIMIT).scalar_one()):
                time.sleep(0.02)
        revision = migrated.result()
    with impatient.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == revision
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "500ms"


def test_nothing_is_compiled_in_sessions_of_a_migrated_database(impatient: Engine) -> None:
    upgrade(impatient)
    impatient.dispose()
    with impatient.connect() as connection:
        assert connection.execute(text("SHOW jit")).scalar_one() == "off"


def test_market_is_read_for_less_than_what_a_server_compiles(impatient: Engine) -> None:
    upgrade(impatient)
    seed(impatient, load_market())
    with impatient.connect() as connection:
        (plan,) = connection.execute(_READ_OF_THE_MARKET).scalar_one()
        limit = float(connection.execute(text("SHOW jit_above_cost")).scalar_one())
    assert plan["Plan"]["Total Cost"] < limit / 10


def test_sessions_of_a_migrated_database_reach_rows_by_key(impatient: Engine) -> None:
    upgrade(impatient)
    impatient.dispose()
    with impatient.connect() as connection:
        assert connection.execute(text("SHOW random_page_cost")).scalar_one() == "1.1"
