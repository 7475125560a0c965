"""What an order would get now; nothing is stored."""

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.chosen_route import ChosenRoute
from chalicelib.domain.terms import SwapWish
from chalicelib.domain.tokens import Tokens
from chalicelib.services.planning.planner import Planner, wanted_by
from chalicelib.services.planning.venues import QuoteCollector, VenueAnswers


@dataclass(frozen=True, slots=True)
class SwapQuote:
    """The best route now, and from when to when it can be counted on."""

    route: ChosenRoute
    at: datetime
    valid_until: datetime


class QuoteSwaps:
    """Asks the venues and plans, for no order in particular."""

    def __init__(self, quote_collector: QuoteCollector, tokens: Tokens) -> None:
        self._quote_collector = quote_collector
        self._tokens = tokens

    def quote(self, wish: SwapWish) -> SwapQuote:
        """Return what a swap would get.

        Raises:
            VenueUnavailableError: No venue answered.
            RefusedError: They did, and cannot fill it.
        """
        answers = self._quote_collector.ask([wanted_by(wish)])
        planned = Planner(answers, self._tokens).plan(wish)
        return SwapQuote(planned.route, answers.asked_at, answers.valid_until)

    def venues(self) -> VenueAnswers:
        """Return every venue with its pools, or why it does not answer."""
        return self._quote_collector.ask()
