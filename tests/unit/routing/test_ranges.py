from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.routing.ranges import (
    Range,
    after_in,
    after_out,
    concave_hull,
    down_to_out,
    flat_range,
    in_for_out,
    in_to,
    out_for_in,
    out_to,
    product_range,
    surplus,
    total_in,
    total_out,
)

CURVE = [
    flat_range(amount_in=100.0, amount_out=110.0),
    product_range(root=0.95, end=0.8, liquidity=10_000.0),
    flat_range(amount_in=500.0, amount_out=300.0),
]


def test_product_range_is_the_constant_product_formula() -> None:
    x, y, amount_in = 1_000_000.0, 250_000.0, 12_345.0
    part = product_range(root=(y / x) ** 0.5, end=0.1, liquidity=(x * y) ** 0.5)
    reached = after_in((part,), amount_in)
    assert reached is not None
    root, paid = reached
    assert paid == out_for_in((part,), amount_in) == pytest.approx(y * amount_in / (x + amount_in), rel=1e-13)
    assert root**2 == pytest.approx(x * y / (x + amount_in) ** 2, rel=1e-13)


@given(st.floats(1e-3, 1.0))
def test_input_and_output_forms_agree(part: float) -> None:
    amount_in = part * total_in(CURVE)
    amount_out = out_for_in(CURVE, amount_in)
    assert amount_out is not None
    assert in_for_out(CURVE, amount_out * (1 - 1e-15)) == pytest.approx(amount_in, rel=1e-9)


@given(st.floats(1e-3, 0.999))
def test_moving_to_the_root_after_an_input_takes_that_input(part: float) -> None:
    curve = CURVE[1:2]
    amount_in = part * total_in(curve)
    reached = after_in(curve, amount_in)
    assert reached is not None
    assert in_to(curve, reached[0]) == pytest.approx(amount_in, rel=1e-9)
    assert after_out(curve, out_to(curve, reached[0])) == pytest.approx((reached[0], amount_in), rel=1e-9)


@given(st.floats(0.5, 1.2))
def test_surplus_is_the_best_profit_at_the_price(root: float) -> None:
    steps = (total_in(CURVE) * index / 2_000 for index in range(2_001))
    profits = [out - root * root * given_in for given_in in steps if (out := out_for_in(CURVE, given_in))]
    best = max(0.0, *profits)
    assert best <= surplus(CURVE, root) + 1e-9
    assert surplus(CURVE, root) == pytest.approx(best, abs=0.5)  # the grid is coarse


def test_amounts_beyond_the_end_are_none() -> None:
    assert out_for_in(CURVE, total_in(CURVE) * 1.001) is None
    assert after_in(CURVE, total_in(CURVE) * 1.001) is None
    assert in_for_out(CURVE, total_out(CURVE) * 1.001) is None
    assert after_out(CURVE, total_out(CURVE) * 1.001) is None


def test_hull_pools_ranges_whose_price_rises_and_keeps_their_sums() -> None:
    parts = [flat_range(amount_in=100, amount_out=out) for out in (120.0, 90.0, 100.0, 105.0, 80.0)]
    hull = concave_hull(parts)
    assert [part.amount_out for part in hull] == pytest.approx([120.0, 295.0, 80.0])
    assert hull == sorted(hull, key=lambda part: -part.start)


def test_a_flat_range_has_one_price() -> None:
    part = flat_range(amount_in=400.0, amount_out=100.0)
    assert part == Range(0.5, 0.5, inf, 400.0, 100.0)
    assert after_in((part,), 40.0) == (0.5, 10.0)
    assert after_out((part,), 10.0) == (0.5, 40.0)


def test_curve_down_to_an_amount_pays_that_at_its_prices() -> None:
    bins = [flat_range(amount_in=100.0, amount_out=110.0), flat_range(amount_in=500.0, amount_out=300.0)]
    assert down_to_out(bins, 0.0) == []
    assert down_to_out(bins, 55.0) == [bins[0]._replace(amount_in=50.0, amount_out=55.0)]
    assert down_to_out(bins, 110.0) == bins[:1]
    assert down_to_out(bins, 260.0) == [bins[0], bins[1]._replace(amount_in=250.0, amount_out=150.0)]
    assert down_to_out(bins, 1_000.0) == bins
