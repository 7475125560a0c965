"""What an order would get now; nothing is stored."""

from chalicelib.domain.orders import JsonObject
from chalicelib.domain.tokens import Tokens
from chalicelib.services.planning.planner import Planner, SwapWish, wanted_by
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.wire.order_fields import SwapTerms
from chalicelib.wire.server_frames import rfc3339


class QuoteSwaps:
    """Asks the venues and plans, for no order in particular."""

    def __init__(self, quote_collector: QuoteCollector, tokens: Tokens) -> None:
        self._quote_collector = quote_collector
        self._tokens = tokens

    def quote(self, terms: SwapTerms) -> JsonObject:
        """Return a quote's fields.

        Raises:
            VenueUnavailableError: No venue answered.
            RefusedError: They did, and cannot fill it.
        """
        wish = SwapWish(
            terms.swap_mode,
            terms.input_token.symbol,
            terms.output_token.symbol,
            terms.amount_units,
            terms.price_base,
        )
        answers = self._quote_collector.ask([wanted_by(wish)])
        planned = Planner(answers, self._tokens).plan(wish)
        return {
            "inputToken": wish.input_token,
            "outputToken": wish.output_token,
            **planned.shown,
            "at": rfc3339(answers.asked_at),
            "validUntil": rfc3339(answers.valid_until),
        }

    def venues(self) -> JsonObject:
        """Return every venue with its pools, or why it does not answer."""
        answers = self._quote_collector.ask()
        venues: list[JsonObject] = []
        for name in answers.venues:
            pools = sorted((p for p in answers.pools if p.venue == name), key=lambda pool: pool.pool_id)
            listed = [{"pool": p.pool_id, "tokens": list(p.tokens)} for p in pools]
            problem = answers.problems.get(name)
            venues.append({"venue": name, "pools": listed} | ({"error": problem} if problem else {}))
        tokens = [{"symbol": t.symbol, "mint": t.mint, "decimals": t.scale} for t in self._tokens]
        return {"venues": venues, "tokens": tokens}
