"""Which databases an engine connects to, by the migrations that they have."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.revision import check_revision, refuse_older
from chalicelib.domain.errors import MigrationsMissingError, RetryableError
from chalicelib.migrations import newest_revision, revisions
from infra.cli.database_faults import NOT_ANSWERED
from infra.cli.orderflow import orderflow

NEXT = "9999"
_OTHERS = text("""
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
""")
_END_OTHERS = text("""
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
""")
DRIVERS = ["postgresql", "postgresql+psycopg"]


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    return database_url.replace("postgresql", request.param, 1)


@pytest.fixture
def owner(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def asked(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT 7")).scalar_one())


def test_older_database_is_refused_by_what_it_lacks_until_it_is_migrated(url: str, owner: Engine) -> None:
    wanted = (*revisions(), NEXT)
    engine = make_engine(url, pool_size=1)
    refuse_older(engine, wanted)
    for _ in range(2):
        with pytest.raises(MigrationsMissingError, match=f"lacks migration {NEXT}$") as found:
            asked(engine)
        assert found.value.missing == (NEXT,)
    with owner.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :next"), {"next": NEXT})
    assert asked(engine) == 7
    check_revision(engine, wanted)
    engine.dispose()


def test_newer_database_will_do(url: str) -> None:
    engine = make_engine(url)
    refuse_older(engine, revisions()[:-1])
    assert asked(engine) == 7
    check_revision(engine, revisions()[:-1])
    engine.dispose()


@pytest.mark.parametrize(
    "change", ["DROP TABLE alembic_version", "DELETE FROM alembic_version", "DROP SCHEMA public CASCADE"]
)
def test_database_that_was_never_prepared_lacks_all_migrations(url: str, owner: Engine, change: str) -> None:
    with owner.begin() as connection:
        connection.execute(text(change))
    engine, gated = make_engine(url), make_engine(url)
    refuse_older(gated, revisions())
    with pytest.raises(MigrationsMissingError, match=f"migrations 0001 to {newest_revision()}"):
        check_revision(engine, revisions())
    with pytest.raises(MigrationsMissingError):
        asked(gated)
    engine.dispose()
    gated.dispose()


def test_login_that_was_not_let_in_is_said_to_be_so(url: str, owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(
            text("DO $$ BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        )
    engine = make_engine(url.replace("app:app@", "stranger@"))
    refuse_older(engine, revisions())
    with pytest.raises(RetryableError, match="login was not let in"):
        asked(engine)
    engine.dispose()


def test_connection_that_the_server_ends_once_it_is_lent_is_a_passing_fault_and_is_replaced(
    url: str, owner: Engine
) -> None:
    def end(*_: object) -> None:
        with owner.begin() as connection:
            assert connection.execute(_END_OTHERS).scalars().all() == [True]

    engine = make_engine(url, pool_size=1)
    check_revision(engine, revisions())
    event.listen(engine, "checkout", end)
    with pytest.raises(RetryableError, match="the database did not answer"):
        check_revision(engine, revisions())
    event.remove(engine, "checkout", end)
    check_revision(engine, revisions())
    engine.dispose()


def test_connection_that_was_refused_is_closed(url: str, owner: Engine) -> None:
    engine = make_engine(url, pool_size=1)
    refuse_older(engine, (NEXT,))
    with pytest.raises(MigrationsMissingError):
        asked(engine)
    with owner.connect() as connection:
        while connection.execute(_OTHERS).scalar_one():
            pass
    engine.dispose()


@pytest.mark.parametrize("command", ["orders", "audit"])
def test_command_on_a_database_that_was_never_prepared_says_so(server_url: str, command: str) -> None:
    result = CliRunner().invoke(orderflow, ["--database-url", server_url, command])
    assert result.exit_code == NOT_ANSWERED
    assert result.output.startswith(f"Error: the database lacks migrations 0001 to {newest_revision()}, ")
