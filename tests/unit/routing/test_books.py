from itertools import pairwise
from random import Random

import pytest

from chalicelib.routing.books import in_parallel, in_series
from chalicelib.routing.ranges import Curve, flat_range, out_for_in, product_range, total_in, total_out


def a_curve(random: Random, price: float) -> Curve:
    """Return a concave curve of flat and constant-product ranges near a price."""
    root, parts = (price * random.uniform(0.99, 1.01)) ** 0.5, []
    for _ in range(random.randint(1, 6)):
        if random.random() < 0.5:
            amount_in = random.uniform(10, 1_000)
            parts.append(flat_range(amount_in=amount_in, amount_out=amount_in * root * root))
        else:
            end = root * random.uniform(0.97, 0.999)
            parts.append(product_range(root=root, end=end, liquidity=random.uniform(1e3, 1e5)))
            root = end
        root *= random.uniform(0.99, 1.0)
    return parts


@pytest.mark.parametrize("seed", range(20))
def test_curves_in_parallel_pay_the_best_split(seed: int) -> None:
    random = Random(seed)
    first, second = a_curve(random, 2.0), a_curve(random, 2.0)
    book = in_parallel([first, second])
    assert total_in(book) == pytest.approx(total_in(first) + total_in(second))
    amount = total_in(book) * random.uniform(0.05, 0.95)
    merged = out_for_in(book, amount)
    assert merged is not None
    splits = (amount * index / 3_000 for index in range(3_001))
    paid = [
        one + other
        for part in splits
        if (one := out_for_in(first, part)) is not None
        and (other := out_for_in(second, amount - part)) is not None
    ]
    assert max(paid) <= merged * (1 + 1e-12)
    assert max(paid) == pytest.approx(merged, rel=1e-4)  # the grid is coarse


@pytest.mark.parametrize("seed", range(20))
def test_curves_in_series_pay_what_one_after_the_other_pays(seed: int) -> None:
    random = Random(seed)
    first, second = a_curve(random, 3.0), a_curve(random, 0.2)
    series = in_series(first, second)
    assert min(total_out(first), total_in(second)) == pytest.approx(_between(first, series), rel=1e-9)
    for index in range(1, 40):
        amount = total_in(series) * index / 40
        between = out_for_in(first, amount)
        assert between is not None
        assert out_for_in(series, amount) == pytest.approx(out_for_in(second, between), rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_books_never_improve_on_the_way_down(seed: int) -> None:
    random = Random(seed)
    book = in_parallel([a_curve(random, 2.0) for _ in range(4)])
    series = in_series(book, in_parallel([a_curve(random, 0.5) for _ in range(3)]))
    for curve in (book, series):
        assert all(part.end <= part.start for part in curve)
        assert all(after.start <= before.end * (1 + 1e-9) for before, after in pairwise(curve))


def test_no_liquidity_is_left_over_where_all_ranges_ended() -> None:
    deep = [product_range(root=1.0, end=0.9, liquidity=1e17)]  # a float of this size counts in sixteens
    shallow = [
        product_range(root=0.99, end=0.8, liquidity=9.0),
        product_range(root=0.2, end=0.1, liquidity=9.0),
    ]
    book = in_parallel([deep, shallow, shallow])
    assert book[-1].liquidity == 18.0


def _between(first: Curve, series: Curve) -> float:
    paid = out_for_in(first, min(total_in(series), total_in(first)) * (1 - 1e-12))
    assert paid is not None
    return paid


@pytest.mark.parametrize("seed", range(20))
def test_series_that_stops_is_the_beginning_of_the_whole_one(seed: int) -> None:
    random = Random(seed)
    first, second = a_curve(random, 2.0), a_curve(random, 0.5)
    whole = in_series(first, second)
    part = random.uniform(0.0, 1.0)
    by_input = in_series(first, second, stop_in=part * total_in(whole))
    by_output = in_series(first, second, stop_out=part * total_out(whole))
    assert by_input == whole[: len(by_input)]
    assert by_output == whole[: len(by_output)]
    assert total_in(by_input) >= part * total_in(whole)
    assert total_out(by_output) >= part * total_out(whole)


@pytest.mark.parametrize("seed", range(20))
def test_book_that_stops_is_the_beginning_of_the_whole_one_and_hardly_more_than_asked(seed: int) -> None:
    random = Random(seed)
    curves = [a_curve(random, 2.0) for _ in range(3)]
    whole = in_parallel(curves)
    part = random.uniform(0.0, 0.9)
    by_input = in_parallel(curves, stop_in=part * total_in(whole))
    by_output = in_parallel(curves, stop_out=part * total_out(whole))
    assert by_input == whole[: len(by_input)]
    assert by_output == whole[: len(by_output)]
    assert total_in(by_input) >= part * total_in(whole) >= total_in(by_input[:-2])
    assert total_out(by_output) >= part * total_out(whole) >= total_out(by_output[:-2])


def test_ranges_in_series_that_end_together_leave_nothing_between_them() -> None:
    first = [flat_range(amount_in=100.0, amount_out=50.0), flat_range(amount_in=100.0, amount_out=40.0)]
    second = [flat_range(amount_in=50.0, amount_out=25.0), flat_range(amount_in=40.0, amount_out=10.0)]
    series = in_series(first, second)
    amounts = [(part.amount_in, part.amount_out) for part in series]
    assert amounts == [pytest.approx((100.0, 25.0)), pytest.approx((100.0, 10.0))]
    steep = product_range(root=1.0, end=0.5, liquidity=100.0)  # takes 100, pays 50
    for one, other in (
        ([steep], second[:1]),
        (first[:1], [product_range(root=1.0, end=0.5, liquidity=50.0)]),
    ):
        (part,) = in_series(one, other)
        assert (part.amount_in, part.amount_out) == pytest.approx((100.0, 25.0))
        assert part.end == pytest.approx(one[-1].end * other[-1].end)
