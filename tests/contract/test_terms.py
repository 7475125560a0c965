"""An order is executed by its owner's terms: they change by an amendment alone, and while it rests."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import TimeInForce
from chalicelib.services.consumer import transitions
from tests.contract.records import LONG_LEASE_MS, next_transition, on_postgres
from tests.contract.test_resting_record import STOP, Floor, to
from tests.contract.watches import WatchesOnRecord
from tests.fakes.orders import NOON

CHANGES = [
    "amount_units = amount_units + 1",
    'limit_terms = limit_terms || \'{"price": "1"}\'',
    'trigger_terms = trigger_terms || \'{"price": "1"}\'',
    "time_in_force = 'ioc'",
    "expires_at = expires_at + interval '1 day'",
    "valid_until = valid_until + interval '1 day'",
]


@pytest.fixture
def floor(contract_engine: Engine) -> Floor:
    return Floor(on_postgres(contract_engine), WatchesOnRecord(contract_engine))


def at_rest(floor: Floor) -> Order:
    """An order of which each term is there."""
    order, end = floor.at_rest(trigger=STOP).state.order, NOON + timedelta(days=3)
    terms = replace(order.terms, time_in_force=TimeInForce.GTD, expires_at=end)
    after = replace(order, terms=terms, valid_until=end)
    assert floor.store.record.amend("alice", order.order_id, NOON, lambda _: after, {})
    return after


def is_refused(engine: Engine, order: Order, changes: str) -> bool:
    update = text(f"UPDATE orders SET is_triggered = is_triggered, {changes} WHERE order_id = :id")  # noqa: S608
    with engine.connect() as connection:
        try:
            written = connection.execute(update, {"id": order.order_id}).rowcount
        except DBAPIError as error:
            return "the terms of an order stay" in str(error)
    assert written == 1
    return False


@pytest.mark.parametrize("change", CHANGES)
def test_terms_of_an_order_change_by_an_event_of_their_own_while_it_rests(
    floor: Floor, contract_engine: Engine, change: str
) -> None:
    order = at_rest(floor)
    assert is_refused(contract_engine, order, change)
    assert is_refused(contract_engine, order, f"{change}, seq = seq + 1, status = 'routing'")
    assert not is_refused(contract_engine, order, f"{change}, seq = seq + 1")


def test_terms_of_an_order_that_is_executed_stay_also_if_it_then_rests(
    floor: Floor, contract_engine: Engine
) -> None:
    order = at_rest(floor)
    claimed = floor.claimed(order)
    step = next_transition(claimed, OrderStatus.ROUTING, release=True)
    assert floor.store.record.record([step], lease_ms=LONG_LEASE_MS)
    for change in CHANGES:
        assert is_refused(contract_engine, order, change), change
        assert is_refused(contract_engine, order, f"{change}, seq = seq + 1"), change
        assert is_refused(contract_engine, order, f"{change}, seq = seq + 1, status = 'open'"), change
    rests = replace(transitions.rest(floor.claimed(order), NOON), release=True)
    assert floor.store.record.record([rests], lease_ms=0)
    assert floor.store.record.amend("alice", order.order_id, NOON, to("180"), {})
