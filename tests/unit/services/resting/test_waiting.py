"""What an order waits for, as a watch, and when it is looked at again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.launches import Sniper
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.domain.watches import BY_LAUNCH, BY_MARGINAL_RATE, DirectedPair
from chalicelib.services.resting.waiting import (
    BACKOFF_BLOCKS,
    BACKOFF_BLOCKS_MAX,
    LookAgain,
    backoff_height,
    rate_that_may_fit,
    watch_of,
)
from tests.fakes.orders import NOON, an_order, changed

LIMIT = Limit("138", Rate.of(138, 1_000))
STOP = Trigger(
    "140", When.BELOW, Rate.of(140, 1_000), Direction.AT_MOST, PriceSource.MARK, 3, IfAlreadyMet.REFUSE
)
SNIPER = Sniper(None, None, None, None)
MINT = "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
RATES = st.builds(Rate.of, st.integers(1, 10**30), st.integers(1, 10**30))


def test_trigger_is_waited_for_first_and_the_limit_after_it() -> None:
    order = changed(an_order(), limit=LIMIT, trigger=STOP)
    watch = watch_of(OrderState(order), NOON)
    assert (watch.direction, watch.look, watch.rate) == (Direction.AT_MOST, 3, STOP.rate)
    watch = watch_of(replace(OrderState(order), is_triggered=True), NOON)
    assert (watch.direction, watch.look, watch.rate) == (Direction.AT_LEAST, BY_MARGINAL_RATE, LIMIT.rate)


@pytest.mark.parametrize(
    ("sniper", "is_triggered", "look", "output"),
    [
        (None, False, BY_MARGINAL_RATE, MINT),
        (SNIPER, False, BY_LAUNCH, NEW_MINT),
        (SNIPER, True, BY_MARGINAL_RATE, MINT),
    ],
)
def test_order_for_a_mint_waits_for_pools_of_any_new_one_until_its_own_has_opened(
    sniper: Sniper | None, *, is_triggered: bool, look: int, output: str
) -> None:
    order = changed(an_order(), limit=LIMIT, sniper=sniper, output_token=MINT)
    watch = watch_of(replace(OrderState(order), is_triggered=is_triggered), NOON)
    assert (watch.look, watch.pair) == (look, DirectedPair("SOL", output))


def test_order_is_woken_at_its_end_or_sooner_and_never_without_one() -> None:
    order = changed(an_order(), limit=LIMIT)
    soon = NOON + timedelta(seconds=5)
    assert watch_of(OrderState(order), NOON).wake_at == order.valid_until
    assert watch_of(OrderState(order), NOON, LookAgain(at=soon)).wake_at == soon
    assert watch_of(OrderState(replace(order, valid_until=None)), NOON).wake_at is None


def test_refusals_at_the_limit_back_off_up_to_a_bound() -> None:
    assert [backoff_height(1_000, count) - 1_000 for count in (1, 2, 3)] == [
        BACKOFF_BLOCKS, 2 * BACKOFF_BLOCKS, 4 * BACKOFF_BLOCKS
    ]  # fmt: skip
    assert backoff_height(1_000, 10**6) == 1_000 + BACKOFF_BLOCKS_MAX


@given(wanted=RATES, marginal=RATES, offered=RATES)
def test_size_that_did_not_fit_waits_for_more_than_there_is_now(
    wanted: Rate, marginal: Rate, offered: Rate
) -> None:
    found = rate_that_may_fit(wanted, marginal, offered)
    if found is None:
        assert offered.is_at_least(wanted) or not marginal.is_at_least(wanted)
    else:
        assert found.is_at_least(marginal)
        assert not marginal.is_at_least(found)
