"""A venue that answers with firm quotes of its own, as a market maker or an aggregator does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from chalicelib.domain.errors import VenueUnavailableError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.firm_quotes import FirmQuote, FixedAmounts, UpTo, WantedSwap
from chalicelib.services.ports import Offers
from tests.fakes.orders import NOON


@dataclass
class FakeMaker:
    """``Venue`` that pays a fixed rate, output units per input unit, by pair of tokens.

    Attributes:
        amount_in_max: With one, a quote is good for any size up to it; without, for what was asked.
    """

    rates: dict[tuple[str, str], Fraction]
    name: str = "maker"
    amount_in_max: int | None = None
    now: datetime = NOON
    holds_for: timedelta = timedelta(seconds=30)
    is_down: bool = False
    asked: list[WantedSwap] = field(default_factory=list)

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        if self.is_down:
            raise VenueUnavailableError("no answer")
        quotes = []
        for each in wanted:
            self.asked.append(each)
            rate = self.rates.get((each.token_in, each.token_out))
            if rate is not None:
                quotes.append(self._quote(each, rate))
        return Offers(firm_quotes=quotes)

    def _quote(self, wanted: WantedSwap, rate: Fraction) -> FirmQuote:
        terms: FixedAmounts | UpTo
        if self.amount_in_max is not None:
            terms = UpTo(self.amount_in_max, lambda amount_in: int(amount_in * rate))
        elif wanted.mode is SwapMode.EXACT_IN:
            terms = FixedAmounts(wanted.amount, int(wanted.amount * rate))
        else:
            terms = FixedAmounts(-int(-wanted.amount // rate), wanted.amount)
        return FirmQuote(
            f"{self.name}-{len(self.asked)}",
            self.name,
            wanted.token_in,
            wanted.token_out,
            self.now + self.holds_for,
            terms,
        )
