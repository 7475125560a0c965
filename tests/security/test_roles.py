"""What the application's login can and cannot do in the database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import sqlstate
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.migrations.roles import APP_ROLE, PRIVILEGES, grant
from tests.support.app_login import as_function

PERMISSION_DENIED = "42501"


@pytest.fixture
def owner(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    assert grant(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def app(owner: Engine) -> Iterator[Engine]:
    with as_function(owner) as engine:
        yield engine


def test_every_table_says_what_the_application_may_do_with_it(owner: Engine) -> None:
    with owner.connect() as connection:
        found = connection.execute(
            text("""
                SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'market')
                UNION ALL
                SELECT schemaname, viewname FROM pg_views WHERE schemaname IN ('public', 'market')
            """)
        )
        tables = {row.tablename if row.schemaname == "public" else f"market.{row.tablename}" for row in found}
    assert tables == set(PRIVILEGES)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE order_events SET status = 'confirmed'",
        "DELETE FROM order_events",
        "DELETE FROM orders",
        "DELETE FROM attempts",
        "UPDATE client_order_keys SET content_sha256 = ''",
        "DELETE FROM dead_letters",
        "UPDATE market.transactions SET signature = ''",
        "UPDATE market.faults SET settings = '{}'",
        "DELETE FROM market.pools",
        "TRUNCATE orders CASCADE",
        "DROP TABLE orders CASCADE",
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "CREATE TABLE public.orders_2 (id int)",
        "CREATE ROLE another",
        "UPDATE alembic_version SET version_num = '0'",
    ],
)
def test_application_cannot_do_what_it_never_needs(app: Engine, statement: str) -> None:
    with app.connect() as connection, pytest.raises(ProgrammingError) as refused:
        connection.execute(text(statement))
    assert sqlstate(refused.value) == PERMISSION_DENIED


def test_application_may_forget_pairs_that_no_order_waits_for(app: Engine) -> None:
    with app.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO watch_pairs (input_token, output_token)"
                " SELECT n, 'x' FROM generate_series(1, 201) AS n"
            )
        )
    assert PostgresHousekeeping(app).forget_pairs(limit=500).removed == 201


def test_login_that_owns_nothing_grants_nothing(app: Engine) -> None:
    assert not grant(app)


def test_granting_again_changes_nothing(owner: Engine) -> None:
    def granted() -> list[tuple[str, str]]:
        query = (
            "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
            "WHERE grantee = :role"
        )
        with owner.connect() as connection:
            return sorted((row[0], row[1]) for row in connection.execute(text(query), {"role": APP_ROLE}))

    before = granted()
    assert grant(owner)
    assert granted() == before
    assert before
