"""The audit of attempts: what a planted violation breaks, and what is sound."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from chalicelib.adapters.postgres.audit import record_checks
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.mints import mint_scales
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.launches import Sniper
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.services.consumer import transitions
from tests.contract.records import LONG_LEASE_MS, Store, an_attempt, next_transition, on_postgres
from tests.fakes.orders import LIFE, NOON, an_order, changed

RULE = "no attempt accepts worse than one refused before it, but of orders with a limit and of stops"
LIMIT = {
    "order_type": OrderType.LIMIT,
    "limit": Limit("150", Rate.of(150, 1_000)),
    "slippage_bps": None,
    "time_in_force": TimeInForce.GTC,
    "valid_until": None,
}
SNIPER = LIMIT | {"order_type": OrderType.SNIPER, "sniper": Sniper(), "limit": None, "slippage_bps": 50}
STOP = Trigger("1", When.BELOW, Rate(1, 10), Direction.AT_MOST, PriceSource.MARK, 2, IfAlreadyMet.REFUSE)
TAKE_PROFIT = replace(STOP, when=When.ABOVE, direction=Direction.AT_LEAST)
WAITS = {"time_in_force": TimeInForce.GTC, "valid_until": None}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("terms", "thresholds", "problems"),
    [
        ({}, (9, 9, 10), []),
        ({}, (9, 8), ["attempt 2 accepts 8, attempt 1 was refused at 9"]),
        ({"swap_mode": SwapMode.EXACT_OUT}, (9, 9, 8), []),
        ({"swap_mode": SwapMode.EXACT_OUT}, (9, 10), ["attempt 2 accepts 10, attempt 1 was refused at 9"]),
        (WAITS | {"trigger": STOP}, (9, 8), []),
        (WAITS | {"trigger": TAKE_PROFIT}, (9, 8), ["attempt 2 accepts 8, attempt 1 was refused at 9"]),
        (LIMIT, (9, 8), []),  # its owner may have amended it in between
    ],
)
def test_attempt_that_accepts_worse_than_a_refused_one_is_found(
    engine: Engine, terms: dict[str, Any], thresholds: tuple[int, ...], problems: list[str]
) -> None:
    store = on_postgres(engine)
    claimed = store.created(changed(an_order(), **terms))
    for threshold in thresholds:
        claimed = refused_at(store, claimed, threshold)
    assert found(engine) == problems


@pytest.mark.parametrize(
    ("amended", "problems"),
    [
        ({"amount": "0.5"}, []),
        ({"expiresAt": "2027-01-01T00:00:00.000Z"}, ["attempt 2 accepts 8, attempt 1 was refused at 9"]),
    ],
)
def test_threshold_of_another_amount_is_compared_with_none(
    engine: Engine, amended: dict[str, object], problems: list[str]
) -> None:
    store = on_postgres(engine)
    order = changed(an_order(), **SNIPER)
    claimed = refused_at(store, store.created(order), 9)
    rests = next_transition(claimed, OrderStatus.OPEN, release=True)
    assert store.record.record([rests], lease_ms=0)
    assert store.record.amend("alice", order.order_id, NOON, lambda state: state.order, amended)
    claimed = store.record.claim([order.order_id], lease_ms=LONG_LEASE_MS).claimed[order.order_id]
    routed = next_transition(claimed, OrderStatus.ROUTING)
    assert store.record.record([routed], lease_ms=LONG_LEASE_MS)
    refused_at(store, ClaimedOrder(routed.state, claimed.fence), 8)
    assert found(engine) == problems


def refused_at(store: Store, claimed: ClaimedOrder, threshold: int) -> ClaimedOrder:
    """Record an attempt that accepts so much, and that the chain refused it; return the order after that."""
    attempt = replace(an_attempt(claimed.state.attempt, f"sig-{uuid4()}"), threshold_units=threshold)
    sent = next_transition(claimed, *LIFE[2:5], attempt=attempt)
    assert store.record.record([sent], lease_ms=LONG_LEASE_MS)
    after = ClaimedOrder(sent.state, claimed.fence, attempt)
    again = transitions.next_attempt(after, "moved", NOON, transitions.InVain("refused", "moved"))
    assert store.record.record([again], lease_ms=LONG_LEASE_MS)
    return ClaimedOrder(again.state, claimed.fence)


def found(engine: Engine) -> list[str]:
    (check,) = (
        each
        for each in record_checks(load_tokens(), must_be_finished=False, mint_scales=mint_scales)
        if each.name == RULE
    )
    with engine.connect() as connection:
        return [each.problem for each in check.violations(connection)]
