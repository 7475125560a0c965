"""Firm quotes: what a market maker or an aggregator promises to fill, whole or not at all.

A quote names either the two amounts of one swap, or what it pays for any amount up to a bound. Either way it
is one leg that fills a whole order: the maker's own transaction carries it out, and no swap on a pool can be
part of that. Each is taken once at most.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from chalicelib.amm.swaps import U64_MAX
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.swap_order import SwapOrder


class WantedSwap(NamedTuple):
    """What a venue may quote for: the amount, in base units, is of the input (exact in) or the output."""

    mode: SwapMode
    token_in: str
    token_out: str
    amount: int


class FixedAmounts(NamedTuple):
    """Terms of a quote that is good for these two amounts only, in base units."""

    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class UpTo:
    """Terms of a quote whose price depends on the size.

    Attributes:
        amount_in_max: The most that it takes.
        amount_out: What it pays for an input of up to that, in base units; more input never pays less.
    """

    amount_in_max: int
    amount_out: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class FirmQuote:
    """A venue's promise.

    Attributes:
        quote_id: The venue's name for it, which its settlement will ask for.
        valid_until: Past this moment it is no promise any more.
    """

    quote_id: str
    venue: str
    token_in: str
    token_out: str
    valid_until: datetime
    terms: FixedAmounts | UpTo

    def filling(self, order: SwapOrder) -> FixedAmounts | None:
        """Return the amounts in which it fills an order, whole; None if it does not."""
        if (self.token_in, self.token_out) != (order.input_token, order.output_token):
            return None
        is_exact_in = order.mode is SwapMode.EXACT_IN
        match self.terms:
            case FixedAmounts() as found:
                if order.amount != (found.amount_in if is_exact_in else found.amount_out):
                    return None
            case UpTo() as terms:
                found = _filled(terms, order.amount) if is_exact_in else _paid_for(terms, order.amount)
        is_real = 0 < found.amount_in <= U64_MAX and 0 < found.amount_out <= U64_MAX
        return found if is_real else None


_NOTHING = FixedAmounts(0, 0)


def _filled(terms: UpTo, amount_in: int) -> FixedAmounts:
    if amount_in > terms.amount_in_max:
        return _NOTHING
    return FixedAmounts(amount_in, terms.amount_out(amount_in))


def _paid_for(terms: UpTo, amount_out: int) -> FixedAmounts:
    """Return the least input that pays for an output, to the unit.

    The trader gets that output and no more.
    """
    low, high = 0, min(terms.amount_in_max, U64_MAX)
    if high <= 0 or terms.amount_out(high) < amount_out:
        return _NOTHING
    while high - low > 1:
        middle = (low + high) // 2
        if terms.amount_out(middle) < amount_out:
            low = middle
        else:
            high = middle
    return FixedAmounts(high, amount_out)


class OfferedFill(NamedTuple):
    """A quote, and the amounts in which it fills the order at hand."""

    quote: FirmQuote
    amounts: FixedAmounts


class FirmQuotes:
    """The quotes of one moment that are not taken yet."""

    def __init__(self, quotes: Iterable[FirmQuote] = ()) -> None:
        # In one order whatever the order of the answers: among equal quotes the first is taken.
        self._open = {
            quote.quote_id: quote for quote in sorted(quotes, key=lambda each: (each.venue, each.quote_id))
        }

    def fills(self, order: SwapOrder) -> list[OfferedFill]:
        """Return the best fill of each venue that has one for an order."""
        best: dict[str, OfferedFill] = {}
        for quote in self._open.values():
            amounts = quote.filling(order)
            if amounts is None:
                continue
            known = best.get(quote.venue)
            if known is None or is_better(amounts, known.amounts):
                best[quote.venue] = OfferedFill(quote, amounts)
        return list(best.values())

    def take(self, quote: FirmQuote | None) -> None:
        """Leave a quote that a plan takes to no other; None if it takes none."""
        if quote is not None:
            del self._open[quote.quote_id]


def is_better(one: FixedAmounts, other: FixedAmounts) -> bool:
    """Return whether one of two fills of the same order gives its trader more, or takes less."""
    return one.amount_out - one.amount_in > other.amount_out - other.amount_in
