"""Canceling together over REST: what of a request says which orders are meant."""

from typing import Any

import pytest

from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.terms import OrderType
from chalicelib.handlers import several_orders
from chalicelib.services.intake.cancel_all import CanceledAll
from tests.fakes.orders import NOON
from tests.unit.handlers.conftest import Wired
from tests.unit.handlers.test_rest import body_of, request


class FakeCancelAll:
    """Takes note of what is to be canceled."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, OrderFilter]] = []

    def cancel_all(self, account_id: str, wanted: OrderFilter) -> CanceledAll:
        self.asked.append((account_id, wanted))
        return CanceledAll(canceled=3, already_sent=(), has_more=False, accepted_until=NOON)


@pytest.fixture
def cancels(wired: Wired) -> FakeCancelAll:
    fake = FakeCancelAll()
    vars(wired.services).update(cancel_all_orders=fake)
    return fake


LIMITS = (OrderType.LIMIT,)


@pytest.mark.parametrize(
    ("query", "body", "wanted"),
    [
        ({}, None, OrderFilter(None, None, None)),
        ({"types": "limit"}, None, OrderFilter(None, None, LIMITS)),
        ({"types": "limit,sniper"}, None, OrderFilter(None, None, (OrderType.LIMIT, OrderType.SNIPER))),
        ({"baseAsset": "SOL"}, {"types": ["limit"]}, OrderFilter("SOL", None, LIMITS)),
        ({"baseAsset": "SOL"}, {"baseAsset": None, "quoteAsset": "USDC"}, OrderFilter("SOL", "USDC", None)),
    ],
)
def test_filters_of_the_query_and_of_the_body_count_together(
    cancels: FakeCancelAll, query: dict[str, str], body: Any, wanted: OrderFilter
) -> None:
    response = several_orders.cancel_all(request(body, query=query, account_id="bob"))
    assert (response.status_code, body_of(response)["canceled"]) == (200, 3)
    assert cancels.asked == [("bob", wanted)]


@pytest.mark.parametrize(
    ("query", "body", "field"),
    [
        ({"types": "limit"}, {"types": ["limit"]}, "types"),
        ({"types": "stop"}, None, "types.0"),
        ({"types": ""}, None, "types.0"),
        ({"type": "limit"}, None, "type"),
        ({"baseAsset": "SOL", "quoteAsset": "SOL"}, None, "quoteAsset"),
    ],
)
def test_filter_that_is_unclear_cancels_nothing(
    cancels: FakeCancelAll, query: dict[str, str], body: Any, field: str
) -> None:
    response = several_orders.cancel_all(request(body, query=query))
    assert response.status_code == 400
    assert body_of(response)["details"][0]["field"] == field
    assert cancels.asked == []
