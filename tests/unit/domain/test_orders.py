"""Orders: what a step changes, and what tells one wish from another."""

from dataclasses import fields, replace
from typing import Any

import pytest

from chalicelib.domain.errors import InvalidTransitionError
from chalicelib.domain.events import Routing
from chalicelib.domain.orders import OrderState
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType
from tests.fakes.orders import LIFE, NOON, advanced, an_order, recorded, terms


def test_events_count_from_one_and_carry_what_the_transition_says() -> None:
    state, events = advanced(OrderState(an_order()), *LIFE)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.status for event in events] == list(LIFE)
    assert {event.order_id for event in events} == {state.order.order_id}
    assert (state.status, state.seq, state.is_final) == (OrderStatus.CONFIRMED, 6, True)


def test_illegal_transition_is_refused_and_changes_nothing() -> None:
    state, _ = advanced(OrderState(an_order()), OrderStatus.PENDING)
    with pytest.raises(InvalidTransitionError):
        state.transition_to(recorded(OrderStatus.CONFIRMED), NOON)
    assert (state.status, state.seq) == (OrderStatus.PENDING, 1)


def test_order_was_sent_from_its_first_submission_on() -> None:
    state, _ = advanced(OrderState(an_order()), *LIFE[:4])
    assert not state.was_sent
    state, _ = advanced(state, OrderStatus.SUBMITTED, OrderStatus.ROUTING)
    assert state.was_sent


def test_retry_carries_the_next_attempt_from_then_on() -> None:
    state, _ = advanced(OrderState(an_order()), *LIFE[:5])
    state, event = state.transition_to(Routing("again"), NOON, attempt=2)
    assert event.attempt == 2
    state, event = state.transition_to(recorded(OrderStatus.ROUTED), NOON)
    assert (state.attempt, event.attempt) == (2, 2)


def test_same_terms_have_the_same_digest() -> None:
    assert terms().sha256 == terms().sha256


OTHER: dict[str, Any] = {
    "client_order_id": "other",
    "order_type": OrderType.LIMIT,
    "swap_mode": SwapMode.EXACT_OUT,
    "input_token": "ETH",
    "output_token": "ETH",
    "amount_units": 7,
    "price_base": "USDC",
    "slippage_bps": 49,
    "valid_for_s": 61,
}


@pytest.mark.parametrize("name", [field.name for field in fields(OrderTerms)])
def test_every_choice_counts_in_the_digest(name: str) -> None:
    changed: OrderTerms = replace(terms(), **{name: OTHER[name]})
    assert changed.sha256 != terms().sha256


def test_digest_of_terms_is_that_of_the_releases_before() -> None:
    """Else a client that repeats an order across a deployment would be told of a conflict."""
    assert terms().sha256 == "af26812da3ef9ec437d297d3ae5c36b3215a7b03a53291496bc6499a38129023"
