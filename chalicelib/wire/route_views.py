"""Quotes, routes and fills in wire form: what ``routed``, ``confirmed`` and a quote say."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from chalicelib.amm.pools import spot_price
from chalicelib.amm.swaps import SwapResult, TokenIndex
from chalicelib.domain.amounts import format_units, price_text
from chalicelib.domain.orders import JsonObject
from chalicelib.domain.prices import LegImpact, price_impact_bps, route_impact_bps
from chalicelib.domain.tokens import Tokens
from chalicelib.routing.plan import Leg, Plan, RoutablePool, SinglePoolQuote

FeeUnits = Mapping[str, int]
"""Fee by token symbol, in base units."""

# An order says its amounts and prices several times: in quotes,
# legs and totals, and again when it is confirmed.
_SAID_AGAIN: Final = 1024
_amount_text: Final = lru_cache(_SAID_AGAIN)(format_units)
_price_text: Final = lru_cache(_SAID_AGAIN)(price_text)


class Asked(NamedTuple):
    """The venues that were asked, why some are left out, and until when (RFC 3339) their answers hold."""

    venues: Sequence[str]
    problems: Mapping[str, str]
    valid_until: str


class RouteViews:
    """Renders what the router and the chain answer, in token units.

    Of a token that is not listed any more it is not known how many decimals it had: its amounts, and prices
    in it, are None, since a wrong figure would be worse.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._scales = {token.symbol: token.scale for token in tokens}

    def amount(self, units: int, symbol: str) -> str | None:
        scale = self._scales.get(symbol)
        return None if scale is None else _amount_text(units, scale)

    def price(
        self, input_units: int, output_units: int, *, input_token: str, output_token: str, base: str
    ) -> str | None:
        """Return the price per unit of ``base``, one of the two tokens."""
        given, got = self._scales.get(input_token), self._scales.get(output_token)
        if given is None or got is None:
            return None
        if base == input_token:
            return _price_text(output_units, got, input_units, given) or "0"
        return _price_text(input_units, given, output_units, got) or "0"

    def fees(self, units: FeeUnits, *, input_token: str) -> JsonObject:
        """Return the whole fee, by token; ``feeAmount`` is the part in ``feeToken``.

        Pools take fees in the input or the output token. Parts in different tokens are never
        added up: ``fees`` lists them, and ``feeAmount`` shows the input token's if there is one.
        """
        charged = [(symbol, self.amount(units[symbol], symbol)) for symbol in sorted(units) if units[symbol]]
        if not charged:
            charged = [(input_token, "0")]
        main, amount = charged[0]
        for symbol, part in charged:
            if symbol == input_token:
                main, amount = symbol, part
        return {
            "feeAmount": amount,
            "feeToken": main,
            "fees": [{"token": symbol, "amount": part} for symbol, part in charged],
        }

    def plan(self, plan: Plan, pools: Mapping[str, RoutablePool], asked: Asked, *, base: str) -> JsonObject:
        """Return each venue's best single pool, the chosen route, how good it is, and what it is better than.

        Args:
            pools: In the states that the plan was made for; a firm quote has none.
            base: The token whose price is told, one of the two.
        """
        singles, best, legs = plan.best_single_by_venue, plan.best_single, plan.legs
        impacts = {
            single.pool_id: _impact(pools.get(single.pool_id), plan.input_token, single.swap)
            for single in singles.values()
        }
        quotes: list[JsonObject] = []
        for venue in asked.venues:
            single = singles.get(venue)
            if venue in asked.problems:
                quotes.append({"venue": venue, "error": asked.problems[venue]})
            elif single is None:
                quotes.append({"venue": venue, "error": "no pool of it can fill the order alone"})
            else:
                quote = {"venue": venue, "pool": single.pool_id}
                fees = _fees(single.swap, pools.get(single.pool_id))
                quote |= self._totals(plan, single.amount_in, single.amount_out, base)
                quote |= self.fees(fees, input_token=plan.input_token)
                quotes.append(
                    quote | {"priceImpactBps": impacts[single.pool_id], "validUntil": asked.valid_until}
                )
        return {
            "quotes": quotes,
            **self._totals(plan, plan.amount_in, plan.amount_out, base),
            **self.fees(_all_fees(legs, pools), input_token=plan.input_token),
            "priceImpactBps": route_impact_bps([_leg_impact(plan, leg, pools, impacts) for leg in legs]),
            "route": [self._leg(leg) for leg in legs],
            "routeGapBps": _bps(plan.gap_bps),
            "bestSingleVenue": self._best_single(plan, best) if best else None,
            "improvementBps": None if plan.improvement_bps is None else _bps(plan.improvement_bps),
        }

    def _totals(self, plan: Plan, amount_in: int, amount_out: int, base: str) -> JsonObject:
        one, other = plan.input_token, plan.output_token
        return {
            "inputAmount": self.amount(amount_in, one),
            "outputAmount": self.amount(amount_out, other),
            "price": self.price(amount_in, amount_out, input_token=one, output_token=other, base=base),
        }

    def _leg(self, leg: Leg) -> JsonObject:
        return {
            "venue": leg.venue,
            "pool": leg.pool_id,
            "inputToken": leg.token_in,
            "outputToken": leg.token_out,
            "inputAmount": self.amount(leg.amount_in, leg.token_in),
            "outputAmount": self.amount(leg.amount_out, leg.token_out),
            "shareBps": leg.share_bps,
        }

    def _best_single(self, plan: Plan, best: SinglePoolQuote) -> JsonObject:
        return {
            "venue": best.venue,
            "pool": best.pool_id,
            "inputAmount": self.amount(best.amount_in, plan.input_token),
            "outputAmount": self.amount(best.amount_out, plan.output_token),
        }


def _bps(figure: Decimal) -> str:
    return str(figure)  # never in exponents: that starts with a seventh decimal


def _impact(pool: RoutablePool | None, token_in: str, swap: SwapResult) -> str:
    """Return what a swap moves its pool's price by; a firm quote, which has no pool, moves none."""
    if pool is None:
        return "0.00"
    index: TokenIndex = 0 if pool.tokens[0] == token_in else 1
    return price_impact_bps(spot_price(pool.state), index, swap)


def _leg_impact(
    plan: Plan, leg: Leg, pools: Mapping[str, RoutablePool], singles: Mapping[str, str]
) -> LegImpact:
    """Return a leg's impact, which is known already if the leg is a single pool's whole quote."""
    if leg.pool_id in singles and leg.amount_in == plan.amount_in:
        impact = singles[leg.pool_id]
    else:
        impact = _impact(pools.get(leg.pool_id), leg.token_in, leg.swap)
    if leg.token_in == plan.input_token:
        return LegImpact(impact, leg.amount_in, plan.amount_in)
    return LegImpact(impact, leg.amount_out, plan.amount_out)


def _all_fees(legs: Sequence[Leg], pools: Mapping[str, RoutablePool]) -> FeeUnits:
    fees: dict[str, int] = {}
    for leg in legs:
        for symbol, units in _fees(leg.swap, pools.get(leg.pool_id)).items():
            fees[symbol] = fees.get(symbol, 0) + units
    return fees


def _fees(result: SwapResult, pool: RoutablePool | None) -> FeeUnits:
    """Return what one swap cost, by token; what a firm quote costs is in its price."""
    return swap_fees(result, pool.tokens) if pool is not None else {}


def swap_fees(result: SwapResult, tokens: tuple[str, str]) -> FeeUnits:
    """Return what one swap cost, by token."""
    fees = {tokens[result.fee_token]: result.trade_fee}
    if result.creator_fee:
        symbol = tokens[result.creator_fee_token]
        fees[symbol] = fees.get(symbol, 0) + result.creator_fee
    return fees
