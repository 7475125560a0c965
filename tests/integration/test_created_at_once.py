"""Orders that come on record with their transactions, and what meets them before that is committed."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.services.intake.cancel_all import Unfinished
from tests.contract.records import Store, on_postgres
from tests.fakes.orders import an_order

WAITING = text("""
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@contextmanager
def held_back(engine: Engine, order: Order) -> Iterator[None]:
    """Keep the order's transaction from the record: another connection is just writing its signature."""
    with engine.connect() as other:
        other.execute(text("SET LOCAL session_replication_role = replica"))
        other.execute(
            text("""
            INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,
                quoted_out_units, threshold_units, fence)
            VALUES (:signature, gen_random_uuid(), 1, '', 1, 1, 1, 1, 1)"""),
            {"signature": f"sig-{order.order_id}-1"},
        )
        yield
        other.rollback()


def until_waiting(engine: Engine, number: int, *begun: "Future[Any]") -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as onlooker:
        while onlooker.execute(WAITING).scalar_one() < number:
            assert not any(each.done() for each in begun), "it waits"


def test_order_that_two_consumers_have_signed_comes_on_record_once_with_the_firsts_transaction(
    engine: Engine,
) -> None:
    store, order, other = on_postgres(engine), an_order(), an_order()
    with ThreadPoolExecutor(2) as pool:
        with held_back(engine, order):
            first = pool.submit(store.begun, order)
            until_waiting(engine, 1, first)
            second = pool.submit(on_postgres(engine).begun, other, order)
            until_waiting(engine, 2, first, second)
        assert set(first.result()) == {order.order_id}
        assert set(second.result()) == {other.order_id}
    with engine.connect() as connection:
        found = connection.execute(text("SELECT order_id, fence FROM attempts ORDER BY 1")).all()
    assert sorted(found) == sorted((each.order_id, 1) for each in (order, other))
    assert store.seqs(order.order_id) == store.seqs(other.order_id) == [1, 2, 3, 4, 5]


# Of the release before, which knew no lock.
OLD_MARK = text("""
INSERT INTO cancel_marks AS m (account_id, base, quote, types, accepted_until)
VALUES (:account_id, '', '', '', :at)
ON CONFLICT (account_id, base, quote, types) DO UPDATE
SET accepted_until = greatest(m.accepted_until, excluded.accepted_until)
""")


def test_cancel_of_all_by_another_release_waits_for_an_order_that_comes_with_its_transaction(
    engine: Engine,
) -> None:
    store, order = on_postgres(engine), an_order()

    def mark() -> None:
        with engine.begin() as connection:
            connection.execute(OLD_MARK, {"account_id": order.account_id, "at": order.accepted_at})

    mark()
    with ThreadPoolExecutor(2) as pool:
        other = an_order(account_id=order.account_id, accepted_at=order.accepted_at + timedelta(seconds=1))
        with held_back(engine, other):
            begun = pool.submit(store.begun, other)
            until_waiting(engine, 1, begun)
            marked = pool.submit(mark)
            until_waiting(engine, 2, begun, marked)
        assert set(begun.result()) == {other.order_id}
        marked.result()
    assert store.begun(order) == {}


def test_cancel_of_all_waits_for_an_order_that_comes_with_its_transaction_and_names_it_as_sent(
    engine: Engine,
) -> None:
    store, order = on_postgres(engine), an_order()

    def cancel(store: Store) -> Unfinished:
        store.open_orders.mark(order.account_id, OrderFilter(), order.accepted_at)
        assert not store.open_orders.cancel_some(order.account_id, OrderFilter(), order.accepted_at, limit=10)
        return store.open_orders.unfinished(order.account_id, OrderFilter(), limit=10)

    with ThreadPoolExecutor(2) as pool:
        with held_back(engine, order):
            begun = pool.submit(store.begun, order)
            until_waiting(engine, 1, begun)
            canceled = pool.submit(cancel, on_postgres(engine))
            until_waiting(engine, 2, begun, canceled)
        assert set(begun.result()) == {order.order_id}
        assert canceled.result() == Unfinished([order.order_id], 0)
