"""The audit of attempts: what a planted violation breaks, and what is sound."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from chalicelib.adapters.postgres.audit import record_checks
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, TimeInForce
from tests.contract.records import LONG_LEASE_MS, an_attempt, next_transition, on_postgres
from tests.fakes.orders import LIFE, an_order, changed

RULE = "no attempt of an order without a limit accepts worse than one before it that was refused"
LIMIT = {
    "order_type": OrderType.LIMIT,
    "limit": Limit("150", Rate.of(150, 1_000)),
    "slippage_bps": None,
    "time_in_force": TimeInForce.GTC,
    "valid_until": None,
}


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
        (LIMIT, (9, 8), []),  # its owner may have amended it in between
    ],
)
def test_attempt_that_accepts_worse_than_a_refused_one_is_found(
    engine: Engine, terms: dict[str, Any], thresholds: tuple[int, ...], problems: list[str]
) -> None:
    store = on_postgres(engine)
    claimed = store.created(changed(an_order(), **terms))
    for number, threshold in enumerate(thresholds, 1):
        attempt = replace(an_attempt(number, f"sig-{uuid4()}"), threshold_units=threshold)
        sent = next_transition(claimed, *LIFE[2:5], attempt=attempt)
        assert store.record.record([sent], lease_ms=LONG_LEASE_MS)
        again = next_transition(
            ClaimedOrder(sent.state, claimed.fence, attempt), OrderStatus.ROUTING, outcome="refused"
        )
        assert store.record.record([again], lease_ms=LONG_LEASE_MS)
        claimed = ClaimedOrder(again.state, claimed.fence)
    (check,) = (each for each in record_checks(load_tokens(), must_be_finished=False) if each.name == RULE)
    with engine.connect() as connection:
        assert [found.problem for found in check.violations(connection)] == problems
