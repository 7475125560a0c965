"""Which firm quote fills an order, and in which amounts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.amm.swaps import U64_MAX
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.firm_quotes import FirmQuote, FirmQuotes, FixedAmounts, UpTo
from chalicelib.routing.swap_order import SwapOrder
from tests.fakes.orders import NOON


def a_quote(terms: FixedAmounts | UpTo, quote_id: str = "q", venue: str = "maker") -> FirmQuote:
    return FirmQuote(quote_id, venue, "A", "B", NOON, terms)


def wanting(amount: int, mode: SwapMode = SwapMode.EXACT_IN) -> SwapOrder:
    return SwapOrder(mode, "A", "B", amount, 0)


def halved(maximum: int) -> UpTo:
    return UpTo(maximum, lambda amount_in: amount_in // 2)


@pytest.mark.parametrize(
    ("terms", "order", "expected"),
    [
        (FixedAmounts(100, 50), wanting(100), (100, 50)),
        (FixedAmounts(100, 50), wanting(99), None),
        (FixedAmounts(100, 50), wanting(101), None),
        (FixedAmounts(100, 50), wanting(50, SwapMode.EXACT_OUT), (100, 50)),
        (FixedAmounts(100, 50), wanting(49, SwapMode.EXACT_OUT), None),
        (FixedAmounts(100, 0), wanting(100), None),
        (FixedAmounts(100, U64_MAX + 1), wanting(100), None),
        (FixedAmounts(0, 50), wanting(50, SwapMode.EXACT_OUT), None),
        (FixedAmounts(U64_MAX + 1, 50), wanting(50, SwapMode.EXACT_OUT), None),
        (halved(100), wanting(99), (99, 49)),
        (halved(100), wanting(100), (100, 50)),
        (halved(100), wanting(101), None),
        (halved(100), wanting(1), None),
        (halved(100), wanting(49, SwapMode.EXACT_OUT), (98, 49)),
        (halved(100), wanting(50, SwapMode.EXACT_OUT), (100, 50)),
        (halved(100), wanting(51, SwapMode.EXACT_OUT), None),
        (halved(0), wanting(1, SwapMode.EXACT_OUT), None),
    ],
)
def test_quote_fills_an_order_whole_or_not_at_all(
    terms: FixedAmounts | UpTo, order: SwapOrder, expected: tuple[int, int] | None
) -> None:
    assert a_quote(terms).filling(order) == expected


@given(st.integers(1, 10**12), st.integers(1, 10**6), st.integers(1, 10**6), st.data())
def test_exact_out_is_paid_for_with_the_least_input_that_the_quote_takes(
    maximum: int, numerator: int, denominator: int, data: st.DataObject
) -> None:
    terms = UpTo(maximum, lambda amount_in: amount_in * numerator // denominator)
    most = terms.amount_out(maximum)
    if most == 0:
        return
    amount = data.draw(st.integers(1, min(most, U64_MAX)))
    found = a_quote(terms).filling(wanting(amount, SwapMode.EXACT_OUT))
    assert found is not None
    assert found.amount_out == amount
    assert terms.amount_out(found.amount_in) >= amount > terms.amount_out(found.amount_in - 1)


def test_quote_for_the_other_direction_fills_nothing() -> None:
    back = replace(a_quote(FixedAmounts(100, 50)), token_in="B", token_out="A")
    assert back.filling(wanting(100)) is None


@pytest.mark.parametrize(
    ("mode", "amounts", "best"),
    [
        (SwapMode.EXACT_IN, [FixedAmounts(100, 50), FixedAmounts(100, 51)], "1"),
        (SwapMode.EXACT_OUT, [FixedAmounts(99, 100), FixedAmounts(98, 100)], "1"),
        (SwapMode.EXACT_IN, [FixedAmounts(100, 50), FixedAmounts(100, 50)], "0"),
    ],
)
def test_each_venue_shows_its_best_fill(mode: SwapMode, amounts: list[FixedAmounts], best: str) -> None:
    quotes = [a_quote(terms, str(number)) for number, terms in enumerate(amounts)]
    for order_of_answers in (quotes, quotes[::-1]):
        other = a_quote(amounts[0], "other", "another maker")
        fills = FirmQuotes([*order_of_answers, other]).fills(wanting(100, mode))
        assert {fill.quote.venue: fill.quote.quote_id for fill in fills} == {
            "maker": best,
            "another maker": "other",
        }


def test_quote_that_does_not_fill_an_order_leaves_it_to_those_behind() -> None:
    quotes = [a_quote(FixedAmounts(99, 50), "0"), a_quote(FixedAmounts(100, 50), "1")]
    assert [fill.quote.quote_id for fill in FirmQuotes(quotes).fills(wanting(100))] == ["1"]


def test_quote_that_was_taken_fills_no_second_order() -> None:
    quote = a_quote(halved(100))
    quotes = FirmQuotes([quote])
    assert quotes.fills(wanting(10))
    quotes.take(None)
    quotes.take(quote)
    assert quotes.fills(wanting(10)) == []
