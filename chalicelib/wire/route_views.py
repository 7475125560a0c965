"""Routes in wire form: what ``routed`` and a quote say, and the amounts that all events share."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from chalicelib.domain.amounts import format_units, price_text
from chalicelib.domain.chosen_route import ChosenRoute, FeeUnits, PoolQuote, RouteLeg, VenueRefusal
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339

# An order says its amounts and prices several times: in quotes,
# legs and totals, and again when it is confirmed.
_SAID_AGAIN: Final = 1024
_price_text: Final = lru_cache(_SAID_AGAIN)(price_text)


@lru_cache(_SAID_AGAIN)
def _amount(units: int, scale: int | None) -> str | None:
    return None if scale is None else format_units(units, scale)


class RouteViews:
    """Renders what the router and the chain answer, in token units, members sorted by name throughout: what
    events say of it is then spelled as their hashes have it (``json_text.canonical``) with nothing to sort.

    Of a token that is not listed any more it is not known how many decimals it had: its amounts, and prices
    in it, are None, since a wrong figure would be worse.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._scales = {token.symbol: token.scale for token in tokens}

    def amount(self, units: int, symbol: str) -> str | None:
        return _amount(units, self._scales.get(symbol) or self._scale(symbol))

    def _scale(self, symbol: str) -> int | None:
        scale = self._scales.get(symbol)
        if scale is None and (token := self._tokens.find(symbol)) is not None:
            return token.scale
        return scale

    def price(
        self, input_units: int, output_units: int, *, input_token: str, output_token: str, base: str
    ) -> str | None:
        """Return the price per unit of ``base``, one of the two tokens."""
        return self._pair(input_token, output_token, base).price(input_units, output_units)

    def _pair(self, input_token: str, output_token: str, base: str) -> "_Pair":
        return _Pair(self._scale(input_token), self._scale(output_token), base == input_token)

    def fees(self, units: FeeUnits, *, input_token: str) -> JsonObject:
        """Return the whole fee, by token; ``feeAmount`` is the part in ``feeToken``.

        Pools take fees in the input or the output token. Parts in different tokens are never
        added up: ``fees`` lists them, and ``feeAmount`` shows the input token's if there is one.
        """
        if len(units) == 1:  # as nearly always
            ((main, part),) = units.items()
            if part:
                amount = self.amount(part, main)
                return {"feeAmount": amount, "feeToken": main, "fees": [{"amount": amount, "token": main}]}
        charged = [(symbol, self.amount(units[symbol], symbol)) for symbol in sorted(units) if units[symbol]]
        if not charged:
            charged = [(input_token, "0")]
        main, amount = next((each for each in charged if each[0] == input_token), charged[0])
        return {
            "feeAmount": amount,
            "feeToken": main,
            "fees": [{"amount": part, "token": symbol} for symbol, part in charged],
        }

    def route(self, route: ChosenRoute) -> JsonObject:
        """Return each venue's best single pool, the chosen route, how good it is, and what it beats."""
        valid_until = rfc3339(route.quotes_valid_until)
        pair = self._pair(route.input_token, route.output_token, route.price_base)
        return {
            "bestSingleVenue": _best_single(route.best_single, pair) if route.best_single else None,
            **self.fees(route.fees, input_token=route.input_token),
            "improvementBps": None if route.improvement_bps is None else _bps(route.improvement_bps),
            "inputAmount": _amount(route.input_units, pair.given),
            "outputAmount": _amount(route.output_units, pair.got),
            "price": pair.price(route.input_units, route.output_units),
            "priceImpactBps": route.price_impact_bps,
            "quotes": [self._quote(quote, route.input_token, pair, valid_until) for quote in route.quotes],
            "route": [self._leg(leg) for leg in route.legs],
            "routeGapBps": _bps(route.gap_bps),
        }

    def quote(self, route: ChosenRoute, *, at: datetime, valid_until: datetime) -> JsonObject:
        """Return a quote's fields: a route that holds from one moment to another."""
        return {
            "inputToken": route.input_token,
            "outputToken": route.output_token,
            **self.route(route),
            "at": rfc3339(at),
            "validUntil": rfc3339(valid_until),
        }

    def _quote(
        self, quote: PoolQuote | VenueRefusal, input_token: str, pair: "_Pair", valid_until: str
    ) -> JsonObject:
        if isinstance(quote, VenueRefusal):
            named = {} if quote.pool_id is None else {"pool": quote.pool_id}
            return {"error": quote.problem, **named, "venue": quote.venue}
        input_units, output_units = quote.input_units, quote.output_units
        return {
            **self.fees(quote.fees, input_token=input_token),
            "inputAmount": _amount(input_units, pair.given),
            "outputAmount": _amount(output_units, pair.got),
            "pool": quote.pool_id,
            "price": pair.price(input_units, output_units),
            "priceImpactBps": quote.price_impact_bps,
            "validUntil": valid_until,
            "venue": quote.venue,
        }

    def _leg(self, leg: RouteLeg) -> JsonObject:
        return {
            "inputAmount": self.amount(leg.input_units, leg.input_token),
            "inputToken": leg.input_token,
            "outputAmount": self.amount(leg.output_units, leg.output_token),
            "outputToken": leg.output_token,
            "pool": leg.pool_id,
            "shareBps": leg.share_bps,
            "venue": leg.venue,
        }


class _Pair:
    """The two tokens of a swap as its amounts and prices are shown: their decimals, None if not known."""

    __slots__ = ("_is_per_input", "given", "got")

    def __init__(self, given: int | None, got: int | None, is_per_input: bool) -> None:  # noqa: FBT001  # asked once
        self.given = given
        self.got = got
        self._is_per_input = is_per_input

    def price(self, input_units: int, output_units: int) -> str | None:
        given, got = self.given, self.got
        if given is None or got is None:
            return None
        if self._is_per_input:
            return _price_text(output_units, got, input_units, given) or "0"
        return _price_text(input_units, given, output_units, got) or "0"


def _best_single(best: PoolQuote, pair: _Pair) -> JsonObject:
    return {
        "inputAmount": _amount(best.input_units, pair.given),
        "outputAmount": _amount(best.output_units, pair.got),
        "pool": best.pool_id,
        "venue": best.venue,
    }


def _bps(figure: Decimal) -> str:
    return str(figure)  # never in exponents: that starts with a seventh decimal
