"""Paths of one price: where they lead, and that they come back."""

from fractions import Fraction

import pytest

from infra.cli.price_moves import drift, listed_prices, spike, walk


def test_prices_are_listed_as_plain_decimals_with_commas_between() -> None:
    assert listed_prices("150, 145.5") == [150, Fraction(291, 2)]
    for text in ("", "150,abc", "1e999999999", "1/3", "150,"):
        with pytest.raises(ValueError, match="is no price; they are given as"):
            listed_prices(text)
    for text in ("150,0", "-1"):
        with pytest.raises(ValueError, match="above 0"):
            listed_prices(text)


def test_drift_ends_exactly_where_it_was_sent_to_in_equal_ratios() -> None:
    path = drift(-1_900, 2)
    assert path[-1] == Fraction(81, 100)
    assert float(path[0]) == pytest.approx(0.9)
    assert drift(300, 1) == [Fraction(103, 100)]


def test_spike_comes_back_to_where_it_began() -> None:
    assert spike(-500, 2) == [Fraction(95, 100), Fraction(95, 100), 1]
    with pytest.raises(ValueError, match="cannot fall by all of it"):
        spike(-10_000, 1)


def test_walk_is_the_same_for_the_same_seed() -> None:
    assert walk(30, 50, 7) == walk(30, 50, 7) != walk(30, 50, 8)
    assert all(price > 0 for price in walk(30, 50, 7))


def test_walk_that_leaves_all_prices_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves all prices"):
        walk(10_000, 100_000, 4)
