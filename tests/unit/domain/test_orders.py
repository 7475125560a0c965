"""Orders: what a step changes."""

import pytest

from chalicelib.domain.errors import InvalidTransitionError
from chalicelib.domain.events import Routing
from chalicelib.domain.orders import OrderState
from chalicelib.domain.statuses import OrderStatus
from tests.fakes.orders import LIFE, NOON, advanced, an_order, recorded


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


def test_trigger_that_was_met_is_not_waited_for_again_after_a_transaction_was_refused() -> None:
    state, _ = advanced(OrderState(an_order()), OrderStatus.PENDING, OrderStatus.TRIGGERED)
    state, _ = advanced(state, *LIFE[1:5], OrderStatus.OPEN)
    assert (state.is_triggered, state.was_sent) == (True, True)


def test_retry_carries_the_next_attempt_from_then_on() -> None:
    state, _ = advanced(OrderState(an_order()), *LIFE[:5])
    state, event = state.transition_to(Routing("again"), NOON, attempt=2)
    assert event.attempt == 2
    state, event = state.transition_to(recorded(OrderStatus.ROUTED), NOON)
    assert (state.attempt, event.attempt) == (2, 2)
