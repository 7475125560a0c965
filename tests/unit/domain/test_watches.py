"""Marks that held, as far as that was seen; and the keys by which no watch that is met is missed."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import Direction, is_met
from chalicelib.domain.watches import (
    BY_LAUNCH,
    BY_MARGINAL_RATE,
    DirectedPair,
    Held,
    MarkRange,
    SeenPrice,
    Watch,
    held,
    moment_rate,
)

PAIR = DirectedPair("SOL", "USDC")
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
SIDES = st.integers(1, 2**128)
RATES = st.builds(Rate.of, SIDES, SIDES)


def a_watch(rate: Rate, direction: Direction) -> Watch:
    return Watch(UUID(int=1), PAIR, direction, BY_MARGINAL_RATE, rate, NOON)


def exact(rate: Rate) -> Fraction:
    return Fraction(rate.output_units, rate.input_units)


@given(rate=RATES, seen=RATES, direction=st.sampled_from(Direction))
@example(rate=Rate.of(1, 3), seen=Rate.of(1, 3), direction=Direction.AT_LEAST)
@example(rate=Rate.of(2, 3), seen=Rate.of(2, 3), direction=Direction.AT_MOST)
def test_watch_that_a_price_meets_is_found_by_its_key(rate: Rate, seen: Rate, direction: Direction) -> None:
    watch, price = a_watch(rate, direction), SeenPrice(PAIR, direction, BY_MARGINAL_RATE, seen, 7, 7)
    if is_met(direction, rate, seen):
        if direction is Direction.AT_LEAST:
            assert watch.own_key <= price.key
        else:
            assert watch.own_key >= price.key
    # Each of the two keys is on the safe side by itself.
    if direction is Direction.AT_LEAST:
        assert Fraction(watch.own_key) <= exact(rate)
        assert Fraction(price.key) >= exact(seen)
    else:
        assert Fraction(watch.own_key) >= exact(rate)
        assert Fraction(price.key) <= exact(seen)


@pytest.mark.parametrize("direction", Direction)
def test_watch_that_waits_for_a_better_rate_is_found_by_that(direction: Direction) -> None:
    own, better = Rate.of(1, 3), Rate.of(2, 3)
    waits = replace(a_watch(own, direction), wake_rate=better)
    assert (waits.own_key, waits.wake_key) == (
        a_watch(own, direction).own_key, a_watch(better, direction).own_key
    )  # fmt: skip
    assert a_watch(own, direction).wake_key == waits.own_key


def test_what_watches_are_found_by_on_record_stays_what_it_is() -> None:
    assert (BY_MARGINAL_RATE, BY_LAUNCH) == (0, 11)
    assert moment_rate(datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)) == Rate(1_500_000, 1)
    assert PAIR.reversed() == DirectedPair("USDC", "SOL")


def looked_at(*rows: tuple[int, int, int]) -> list[MarkRange]:
    return [MarkRange(height, Decimal(low), Decimal(high)) for height, low, high in rows]


def test_single_look_holds_for_one_block() -> None:
    assert held(looked_at((100, 4, 6)), Decimal(5), gap_max=1) == {1: Held(Decimal(5), Decimal(5), 100)}


def test_blocks_in_a_row_hold_between_their_extremes() -> None:
    found = held(looked_at((98, 7, 7), (99, 3, 4), (100, 5, 6)), Decimal(6), gap_max=1)
    assert found == {
        1: Held(Decimal(6), Decimal(6), 100),
        2: Held(Decimal(3), Decimal(6), 99),
        3: Held(Decimal(3), Decimal(7), 98),
    }


def test_what_returned_within_the_present_block_did_not_hold_for_it() -> None:
    found = held(looked_at((99, 5, 5), (100, 2, 5)), Decimal(5), gap_max=1)
    assert found[2].low == 2


def test_mark_is_not_held_beyond_a_gap_that_is_too_long() -> None:
    rows = looked_at((96, 5, 5), (97, 5, 5), (100, 5, 5))
    assert held(rows, Decimal(5), gap_max=2).keys() == {1}
    assert held(rows, Decimal(5), gap_max=3).keys() == {1, 2, 3, 4, 5}


def test_block_between_two_looks_counts_only_if_the_look_before_it_agrees() -> None:
    found = held(looked_at((96, 1, 1), (98, 5, 5), (100, 5, 5)), Decimal(5), gap_max=2)
    assert found[2] == Held(Decimal(5), Decimal(5), 99)
    assert found[3] == Held(Decimal(5), Decimal(5), 98)
    assert found[4].low == 1


def test_no_more_blocks_are_counted_than_any_trigger_wants() -> None:
    rows = looked_at(*((height, 5, 5) for height in range(1, 30)))
    assert max(held(rows, Decimal(5), gap_max=1)) == 10
