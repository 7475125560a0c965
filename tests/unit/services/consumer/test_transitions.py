"""Transitions as values: what an order becomes, by what was sent of it and what it waits for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest

from chalicelib.domain.errors import Code
from chalicelib.domain.events import Confirmed, Open, Routing
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import AttemptOutcome, ClaimedOrder, OpenAttempt
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import TimeInForce
from chalicelib.domain.transactions import LegFill, SignatureStatus, SignedTransaction, TransactionStatus
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.consumer import transitions
from chalicelib.services.consumer.transitions import InVain, Sighting
from tests.fakes.orders import LIFE, NOON, advanced, an_order, changed

LIMIT: dict[str, Any] = {
    "limit": Limit("155", Rate.of(155, 1_000)),
    "slippage_bps": None,
    "time_in_force": TimeInForce.GTD,
}
STOP = Trigger(
    "140", When.BELOW, Rate.of(140, 1_000), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE
)
ATTEMPT = OpenAttempt(SignedTransaction("5x", b"bytes", 10), 1, 1_000, 2_000, 1)
LATER = NOON + timedelta(hours=1)
ROUTING, OPEN, FAILED, EXPIRED = (
    OrderStatus.ROUTING,
    OrderStatus.OPEN,
    OrderStatus.FAILED,
    OrderStatus.EXPIRED,
)


def claimed(*statuses: OrderStatus, attempt: OpenAttempt | None = None, **terms: Any) -> ClaimedOrder:
    state, _ = advanced(OrderState(changed(an_order(), **terms)), *statuses)
    return ClaimedOrder(state, 1, attempt)


@pytest.mark.parametrize(
    ("statuses", "terms", "end"),
    [
        (LIFE[:2], {}, EXPIRED),
        ((*LIFE[:5], ROUTING), {}, FAILED),
        ((*LIFE[:5], ROUTING), LIMIT, EXPIRED),
        ((*LIFE[:5], OPEN), LIMIT, EXPIRED),
    ],
    ids=["unsent", "sent and dead", "sent and dead, with a limit", "refused at its limit"],
)
def test_order_whose_time_is_up_has_failed_if_it_was_sent_and_has_no_limit_to_wait_for(
    statuses: tuple[OrderStatus, ...], terms: dict[str, Any], end: OrderStatus
) -> None:
    step = transitions.late(claimed(*statuses, **terms), LATER)
    assert (step.state.status, step.release) == (end, True)
    assert step.failure_code == (Code.DEADLINE_EXCEEDED if end is FAILED else None)


@pytest.mark.parametrize(
    ("terms", "told"), [(LIMIT, OPEN), (LIMIT | {"time_in_force": TimeInForce.IOC}, ROUTING)]
)
def test_what_the_last_transaction_came_to_is_told_before_an_order_with_a_limit_expires(
    terms: dict[str, Any], told: OrderStatus
) -> None:
    order = claimed(*LIFE[:5], attempt=ATTEMPT, **terms)
    step = transitions.late(order, LATER, InVain("refused", "moved", 5_000))
    assert [event.status for event in step.events] == [told, EXPIRED]
    assert [event.attempt for event in step.events] == [2, 2]
    assert step.state.used_attempts == 1  # no other one was made
    (first, _) = (event.what for event in step.events)
    assert isinstance(first, Open | Routing)
    assert (first.reason, first.network_fee_lamports) == ("moved", 5_000)
    assert (step.outcome, step.release, step.watch) == (AttemptOutcome("5x", "refused"), True, None)


@pytest.mark.parametrize(("outcome", "is_left_alone"), [("refused", True), ("dead", False)])
def test_what_cost_no_fee_has_no_order_wait_for_a_better_price_than_its_limit(
    outcome: Literal["refused", "dead"], *, is_left_alone: bool
) -> None:
    order = claimed(*LIFE[:5], attempt=ATTEMPT, valid_until=None, **LIMIT)
    order = replace(order, state=replace(order.state, refused_at_bound=40, paid_refusals=27))
    step = transitions.rest_again(order, InVain(outcome, "in vain"), NOON + timedelta(minutes=100), height=1)
    assert step.watch is not None
    assert (step.watch.wake_rate is not None, step.watch.wake_at is not None) == (is_left_alone,) * 2
    assert step.state.refused_at_bound == 41
    assert step.state.paid_refusals == (28 if is_left_alone else 27)


@pytest.mark.parametrize("statuses", [LIFE[:2], (*LIFE[:5], ROUTING)])
def test_order_whose_limit_is_not_met_at_once_has_expired_whether_it_was_sent_or_not(
    statuses: tuple[OrderStatus, ...],
) -> None:
    step = transitions.unmet(claimed(*statuses, **LIMIT), NOON)
    assert (step.state.status, step.release) == (EXPIRED, True)


@pytest.mark.parametrize(("terms", "last"), [({}, ROUTING), (LIMIT, OrderStatus.TRIGGERED)])
def test_order_whose_trigger_is_met_is_routed_unless_it_has_a_limit_to_wait_for(
    terms: dict[str, Any], last: OrderStatus
) -> None:
    step = transitions.triggered(claimed(*LIFE[:1], trigger=STOP, **terms), Sighting(STOP.rate, 9), NOON)
    assert (step.state.status, step.state.is_triggered) == (last, True)


@pytest.mark.parametrize(
    ("mode", "landed", "slippage", "unspent"),
    [
        (SwapMode.EXACT_IN, (1_000, 1_980), "100.00", 0),
        (SwapMode.EXACT_IN, (990, 2_000), "0.00", 10),
        (SwapMode.EXACT_OUT, (1_010, 2_000), "100.00", 0),
    ],
)
def test_fill_is_compared_with_the_quote_on_the_side_that_was_left_open(
    mode: SwapMode, landed: tuple[int, int], slippage: str, unspent: int
) -> None:
    order = claimed(*LIFE[:5], attempt=ATTEMPT, swap_mode=mode, amount_units=1_000)
    status = TransactionStatus(SignatureStatus.LANDED, 7, *landed)
    step = transitions.confirmed(order, ATTEMPT, status, NOON)
    (event,) = step.events
    assert isinstance(event.what, Confirmed)
    assert (event.what.realized_slippage_bps, event.what.unspent_input_units) == (slippage, unspent)
    assert (step.filled, step.outcome) == (landed, AttemptOutcome("5x", "landed"))


def test_fees_of_a_fill_are_told_by_token_to_the_last_unit_and_its_impact_by_each_legs_part() -> None:
    legs = (
        LegFill("p1", "raydium", "SOL", "USDC", 500, 1_000, 3, "SOL", "1.00"),
        LegFill("p2", "meteora", "SOL", "JUP", 500, 70, 2**64 - 1, "SOL", "2.00"),
        LegFill("p3", "raydium", "JUP", "USDC", 70, 1_000, 1, "JUP", "4.00"),
    )
    landed = TransactionStatus(SignatureStatus.LANDED, 7, 1_000, 2_000, legs)
    (event,) = transitions.confirmed(claimed(*LIFE[:5], attempt=ATTEMPT), ATTEMPT, landed, NOON).events
    assert isinstance(event.what, Confirmed)
    assert event.what.fees == {"SOL": 2**64 + 2, "JUP": 1}
    assert event.what.price_impact_bps == "3.50"
