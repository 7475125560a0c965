"""What a database in trouble means to the engine, on a real one."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.domain.errors import RetryableError
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order
from tests.support.postgres_server import sibling

NOBODY = "postgresql://app:app@127.0.0.1:9/nothing"


def test_unreachable_database_is_a_passing_fault_of_every_port() -> None:
    engine = make_engine(NOBODY)
    store, order = on_postgres(engine), an_order()
    calls: list[Callable[[], object]] = [
        lambda: store.record.claim([order.order_id], lease_ms=1),
        lambda: store.record.cancel("alice", order.order_id, datetime.now(UTC)),
        lambda: store.record.state("alice", order.order_id),
        lambda: store.subscriptions.of_orders([order]),
        lambda: store.subscriptions.forget(["c="]),
        lambda: store.queries.find("alice", uuid4()),
        lambda: store.queries.events_after(order.order_id, 0, limit=1),
        lambda: store.keys.reserve("alice", "mine", "aa"),
    ]
    for call in calls:
        with pytest.raises(RetryableError):
            call()
    engine.dispose()


def test_database_that_vanishes_is_a_passing_fault_and_its_return_is_noticed(
    database_url: str, server_url: str
) -> None:
    # Of pg8000's connections those that have ended are not lent.
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    engine, admin = make_engine(url, pool_size=1), make_engine(server_url)
    store = on_postgres(engine)
    assert store.keys.reserve("alice", "mine", "aa")
    with admin.connect() as connection:
        name = database_url.rpartition("/")[2]
        terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        assert connection.execute(text(terminate), {"name": name}).all()
    with pytest.raises(RetryableError):
        store.keys.reserve("alice", "mine", "aa")
    assert store.keys.reserve("alice", "mine", "aa")
    engine.dispose()
    admin.dispose()


def test_database_that_does_not_exist_is_a_fault_that_its_operator_mends(server_url: str) -> None:
    engine = make_engine(sibling(server_url, f"missing_{uuid4().hex}"))
    with pytest.raises(RetryableError, match="no such database"):
        on_postgres(engine).queries.find("alice", uuid4())
    engine.dispose()


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "closing",
    ["ALTER DATABASE {name} ALLOW_CONNECTIONS false", "REVOKE CONNECT ON DATABASE {name} FROM public"],
)
def test_database_that_its_operator_closes_for_a_while_is_a_passing_fault(
    database_url: str, server_url: str, driver: str, closing: str
) -> None:
    """As any that nobody can connect to: an outage must not look as if it were the orders' fault."""
    name, role = database_url.rpartition("/")[2], f"closed_out_{uuid4().hex}"
    admin = make_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'"))
        connection.execute(text(closing.format(name=name)))
        place = make_url(database_url).set(drivername=driver, username=role, password="pw")
        engine = make_engine(place.render_as_string(hide_password=False))
        try:
            with pytest.raises(RetryableError):
                on_postgres(engine).queries.find("alice", uuid4())
        finally:
            engine.dispose()
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
            connection.execute(text(f"DROP ROLE {role}"))
    admin.dispose()


def test_reservation_is_a_courtesy_that_no_defect_of_the_database_turns_into_one_of_the_order(
    server_url: str,
) -> None:
    engine = make_engine(server_url)  # without our tables
    with pytest.raises(RetryableError):
        on_postgres(engine).keys.reserve("alice", "mine", "aa")
    engine.dispose()


def test_lock_that_is_not_granted_in_time_is_a_passing_fault(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"))
        with engine.connect() as waiter:
            waiter.execute(text("SET lock_timeout = '10ms'"))
            with pytest.raises(RetryableError), translated_errors():
                waiter.execute(text("SELECT * FROM orders"))
    engine.dispose()


def test_statement_of_ours_that_is_wrong_is_no_passing_fault(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect() as connection, pytest.raises(ProgrammingError), translated_errors():
        connection.execute(text("SELECT nonsense"))
    engine.dispose()
