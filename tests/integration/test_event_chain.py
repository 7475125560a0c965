"""The chain of an order's events, which different functions write."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from chalicelib.adapters.postgres.chain_audit import check_chain
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, NewOrder, Transition
from chalicelib.domain.statuses import OrderStatus
from tests.fakes.orders import NOON, VIEWS, advanced, an_order

LONG_LEASE_MS = 60_000


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def created(record: PostgresOrderRecord, order: Order, *, lease_ms: int = LONG_LEASE_MS) -> ClaimedOrder:
    state, events = advanced(
        OrderState(order), OrderStatus.PENDING, OrderStatus.ROUTING, data={"é": {"b": 1, "aa": None}}
    )
    assert record.create([NewOrder(state, events, None)], lease_ms=lease_ms)
    return ClaimedOrder(state, fence=1)


def moved(record: PostgresOrderRecord, claimed: ClaimedOrder, *statuses: OrderStatus) -> ClaimedOrder:
    state, events = advanced(claimed.state, *statuses, data={"of": "another"})
    assert record.record([Transition(claimed, state, events)], lease_ms=LONG_LEASE_MS)
    return replace(claimed, state=state)


def problems(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [found.problem for found in check_chain(connection)]


def test_steps_of_one_process_are_chained(engine: Engine) -> None:
    record = PostgresOrderRecord(engine, VIEWS)
    claimed = moved(record, created(record, an_order()), OrderStatus.ROUTED, OrderStatus.BUILDING)
    moved(record, claimed, OrderStatus.ROUTING)
    assert problems(engine) == []


def test_process_that_takes_an_order_over_goes_on_with_its_chain(engine: Engine) -> None:
    order = an_order()
    created(PostgresOrderRecord(engine, VIEWS), order, lease_ms=0)
    other = PostgresOrderRecord(engine, VIEWS)
    claimed = other.claim([order.order_id], lease_ms=LONG_LEASE_MS).claimed[order.order_id]
    moved(other, claimed, OrderStatus.ROUTED)
    assert problems(engine) == []


def test_process_that_has_forgotten_the_last_hash_asks_for_it(engine: Engine) -> None:
    claimed = created(PostgresOrderRecord(engine, VIEWS), an_order())
    moved(PostgresOrderRecord(engine, VIEWS), claimed, OrderStatus.ROUTED)
    assert problems(engine) == []


def test_cancel_goes_on_with_the_chain_that_it_finds(engine: Engine) -> None:
    record, order = PostgresOrderRecord(engine, VIEWS), an_order()
    moved(record, created(record, order), OrderStatus.ROUTED)
    assert record.cancel(order.account_id, order.order_id, NOON.replace(microsecond=120_000))
    assert problems(engine) == []


def test_step_that_comes_too_late_leaves_the_chain_to_whoever_was_faster(engine: Engine) -> None:
    record, order = PostgresOrderRecord(engine, VIEWS), an_order()
    claimed = created(record, order)
    assert record.cancel(order.account_id, order.order_id, NOON)
    state, events = advanced(claimed.state, OrderStatus.ROUTED)
    assert not record.record([Transition(claimed, state, events)], lease_ms=LONG_LEASE_MS)
    assert problems(engine) == []
