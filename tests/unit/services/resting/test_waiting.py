"""What an order waits for, as a watch, and when it is looked at again."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.launches import Sniper
from chalicelib.domain.order_sizes import size_look
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from chalicelib.domain.watches import BY_LAUNCH, BY_MARGINAL_RATE, DirectedPair
from chalicelib.services.resting.waiting import (
    BACKOFF_BLOCKS,
    BACKOFF_BLOCKS_MAX,
    ELSEWHERE_FOR,
    NEVER,
    LookAgain,
    backed_off,
    backoff_height,
    margin_bps,
    rate_that_may_fit,
    told_of_pause,
    watch_of,
    watch_of_amended,
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


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("source", PriceSource)
@pytest.mark.parametrize("direction", Direction)
def test_trigger_looks_at_the_price_that_it_names_and_a_stop_at_its_own_size(
    mode: SwapMode, source: PriceSource, direction: Direction
) -> None:
    """A take-profit's size gets no more than the marginal rate."""
    order = changed(an_order(), swap_mode=mode, trigger=replace(STOP, source=source, direction=direction))
    size = size_look(mode, order.terms.amount_units)
    of_executable = {Direction.AT_MOST: size, Direction.AT_LEAST: BY_MARGINAL_RATE}[direction]
    look = 3 if source is PriceSource.MARK else of_executable
    assert watch_of(OrderState(order), NOON).look == look


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


def test_pause_is_told_as_one_since_the_records_clock_is_another() -> None:
    order = changed(an_order(), limit=LIMIT)
    assert watch_of(OrderState(order), NOON).within is None
    soon = timedelta(seconds=5)
    assert watch_of(OrderState(order), NOON, LookAgain(at=NOON + soon)).within == soon


def test_refusals_at_the_limit_back_off_up_to_a_bound() -> None:
    assert [backoff_height(1_000, count) - 1_000 for count in (1, 2, 3)] == [
        BACKOFF_BLOCKS, 2 * BACKOFF_BLOCKS, 4 * BACKOFF_BLOCKS
    ]  # fmt: skip
    assert backoff_height(1_000, 10**6) == 1_000 + BACKOFF_BLOCKS_MAX


def refused_always(order: Order, *, days: int, shown_bps: int = 0) -> list[timedelta]:
    """How old an order is at each refusal, at 400 ms a block: the price stays so far beyond its limit."""
    now, found = order.accepted_at, list[timedelta]()
    while now - order.accepted_at < timedelta(days=days):
        found.append(now - order.accepted_at)
        state = replace(OrderState(order), paid_refusals=len(found))
        again = backed_off(state, now, height=0)
        is_met = again.wake_rate is None or margin_bps(state) <= shown_bps
        assert is_met or again.at is not None
        now = now + timedelta(milliseconds=400) * again.since_height if is_met else again.at or now
    return found


def test_what_the_chain_refuses_for_ever_costs_ever_fewer_fees() -> None:
    ages = refused_always(changed(an_order(), limit=LIMIT), days=30)

    def by(age: timedelta) -> int:
        return sum(each <= age for each in ages)

    assert by(timedelta(minutes=5)) == 8
    assert by(timedelta(hours=1)) <= 21
    assert by(timedelta(days=1)) <= 44
    assert by(timedelta(days=30)) <= 44 + 29 * 5


@pytest.mark.parametrize(("shown_bps", "more"), [(16, 4), (500, 24), (10_000, 40)])
def test_price_beyond_the_limit_that_is_only_shown_costs_a_few_fees_more(shown_bps: int, more: int) -> None:
    order = changed(an_order(), limit=LIMIT)
    at_the_limit = refused_always(order, days=30)
    assert len(refused_always(order, days=30, shown_bps=shown_bps)) <= len(at_the_limit) + more


def test_order_that_was_refused_too_often_for_its_age_is_tried_as_soon_as_the_price_is_better() -> None:
    order = changed(an_order(), limit=LIMIT)
    state = replace(OrderState(order), paid_refusals=28)
    now = order.accepted_at + timedelta(minutes=100)
    again = backed_off(state, now, height=1_000)
    assert again.at == now + timedelta(minutes=60)
    watch = watch_of(state, now, again)
    assert watch.wake_rate == Rate.of(138 * 10_032, 1_000 * 10_000)
    assert watch.since_height == 1_000 + BACKOFF_BLOCKS_MAX


def test_order_that_was_seldom_refused_for_its_age_is_left_alone_for_minutes_only() -> None:
    order = changed(an_order(), limit=LIMIT)
    for refusals, days in ((20, 1), (40, 4)):
        state = replace(OrderState(order), paid_refusals=refusals)
        now = order.accepted_at + timedelta(days=days)
        again = backed_off(state, now, height=0)
        assert again == LookAgain(since_height=BACKOFF_BLOCKS_MAX)
        assert told_of_pause(state, again, now) == ""


def test_refusal_after_hours_of_a_network_that_dropped_all_is_the_first() -> None:
    state = replace(OrderState(changed(an_order(), limit=LIMIT)), refused_at_bound=500, paid_refusals=1)
    now = state.order.accepted_at + timedelta(hours=2)
    assert backed_off(state, now, height=1_000) == LookAgain(since_height=1_000 + BACKOFF_BLOCKS)
    dropped = backed_off(state, now, height=1_000, was_free=True)
    assert dropped == LookAgain(since_height=1_000 + BACKOFF_BLOCKS_MAX)


def test_transaction_that_was_dropped_makes_no_pause_of_the_refusals_before_it() -> None:
    """It cost nothing, so the next one is worth its fee at the limit."""
    order = changed(an_order(), limit=LIMIT)
    state = replace(OrderState(order), refused_at_bound=1, paid_refusals=28)
    now = order.accepted_at + timedelta(minutes=100)
    dropped = backed_off(state, now, height=1_000, was_free=True)
    assert dropped == LookAgain(since_height=1_000 + BACKOFF_BLOCKS)


@pytest.mark.parametrize("end", [None, NOON + timedelta(days=1)])
def test_owner_is_told_of_a_long_pause_and_what_ends_it(end: datetime | None) -> None:
    order = replace(changed(an_order(), limit=LIMIT), valid_until=end)
    state = replace(OrderState(order), paid_refusals=28)
    now = order.accepted_at + timedelta(minutes=100)
    assert told_of_pause(state, backed_off(state, now, height=1_000), now) == (
        "; the chain refused 28 of its transactions, so it is tried again at a price 32 bps beyond its "
        "limit, in some 60 minutes, or when it is amended"
    )
    assert watch_of_amended(state, NOON).wake_rate is None
    for at, is_told in ((now + ELSEWHERE_FOR, False), (now + 2 * ELSEWHERE_FOR, True), (None, False)):
        assert (told_of_pause(state, LookAgain(at=at), now) != "") is is_told


def test_owner_is_told_of_no_time_past_the_end_of_the_order() -> None:
    order = an_order(accepted_at=NOON - timedelta(minutes=100))
    order = changed(order, limit=LIMIT, valid_until=NOON + timedelta(minutes=30))
    state = replace(OrderState(order), paid_refusals=28)
    assert told_of_pause(state, backed_off(state, NOON, height=1_000), NOON) == (
        "; the chain refused 28 of its transactions, so it is tried again at a price 32 bps beyond its "
        "limit, or when it is amended"
    )


def test_sniper_order_past_its_opening_waits_by_time_alone_and_for_half_an_hour_at_the_most() -> None:
    order = replace(changed(an_order(), limit=LIMIT, sniper=SNIPER), valid_until=None)
    state = replace(OrderState(order), paid_refusals=28, is_triggered=True)
    now = order.accepted_at + timedelta(minutes=100)
    again = backed_off(state, now, height=1_000)
    assert again.wake_rate is NEVER
    assert again.at == now + timedelta(minutes=30)
    assert told_of_pause(state, again, now).endswith("tried again in some 30 minutes, or when it is amended")


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
        # Where the size fits if it loses as much of the marginal rate there: no later than that.
        fits = Rate.of(
            wanted.output_units * marginal.output_units * offered.input_units,
            wanted.input_units * marginal.input_units * offered.output_units,
        )
        assert fits.is_at_least(found)
