"""Stops whose messages an outage used up, on a real record: none of them forgets, or ignores, its price."""

from fractions import Fraction
from typing import Any

from sqlalchemy import text

from chalicelib.domain.errors import Code
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.resting_fields import meant_fields
from tests.integration.test_resting_orders import FILLS, RESTS, SELL, Desk, S, desk

__all__ = ["desk"]

STRANDED = text("UPDATE orders SET lease_until = now() - interval '1 minute' WHERE order_id = :id")


def stop(price: str) -> dict[str, Any]:
    return SELL | {"trigger": {"price": price, "when": "below", "confirmations": 1}}


def swept(desk: Desk, order_id: object) -> None:
    """Have the sweep find an order, and the consumer take it up."""
    with desk.services.engine.begin() as connection:
        connection.execute(STRANDED, {"id": order_id})
    desk.services.sweep.run()
    assert desk.consumer.run()[1] == []


def test_stop_that_a_mark_has_fired_executes_although_the_price_has_left(desk: Desk) -> None:
    order_id = desk.submit(stop("140"))
    assert desk.statuses(order_id) == RESTS
    desk.move(Fraction(88, 100))
    assert desk.services.price_watcher.look().fired == 1
    desk.move(Fraction(1))
    assert desk.consumer.resolve()[1] == []
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, S.ROUTING]
    swept(desk, order_id)
    assert desk.statuses(order_id) == [*RESTS, S.TRIGGERED, *FILLS]
    assert desk.watched() == 0


def test_stop_that_was_met_when_it_came_is_refused_and_does_not_fire(desk: Desk) -> None:
    terms = meant_fields(OrderFields, stop("170")).terms(desk.services.tokens)
    order_id = desk.services.submit_orders.submit(terms, "local").order_id
    assert desk.consumer.resolve()[1] == []
    assert (desk.statuses(order_id), desk.watched(), desk.looks()) == ([S.PENDING], 0, 0)
    swept(desk, order_id)
    assert desk.statuses(order_id) == [S.PENDING, S.FAILED]
    assert desk.told(order_id)["code"] == Code.TRIGGER_ALREADY_MET
