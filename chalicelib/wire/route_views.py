"""Quotes, routes and fills in wire form: what ``routed``, ``confirmed`` and a quote say."""

from collections.abc import Iterable, Mapping

from chalicelib.amm.pools import spot_price
from chalicelib.amm.swaps import SwapResult, TokenIndex
from chalicelib.domain.amounts import format_units, price_text
from chalicelib.domain.orders import JsonObject
from chalicelib.domain.prices import LegImpact, price_impact_bps, route_impact_bps
from chalicelib.domain.tokens import Tokens
from chalicelib.routing.plan import Leg, Plan, RoutablePool, SinglePoolQuote

FeeUnits = Mapping[str, int]
"""Fee by token symbol, in base units."""


class RouteViews:
    """Renders what the router and the chain answer, in token units."""

    def __init__(self, tokens: Tokens) -> None:
        self._scales = {token.symbol: token.scale for token in tokens}

    def amount(self, units: int, symbol: str) -> str:
        return format_units(units, self._scales[symbol])

    def price(
        self, input_units: int, output_units: int, *, input_token: str, output_token: str, base: str
    ) -> str:
        """Return the price per unit of ``base``, one of the two tokens."""
        given = (input_units, self._scales[input_token])
        got = (output_units, self._scales[output_token])
        quote, per = (got, given) if base == input_token else (given, got)
        return price_text(*quote, *per) or "0"

    def fees(self, units: FeeUnits, *, input_token: str) -> JsonObject:
        """Return the whole fee, by token; ``feeAmount`` is the part in ``feeToken``.

        Pools take fees in the input or the output token. Parts in different tokens are never
        added up: ``fees`` lists them, and ``feeAmount`` shows the input token's if there is one.
        """
        charged = {symbol: self.amount(n, symbol) for symbol, n in sorted(units.items()) if n}
        if not charged:
            charged = {input_token: "0"}
        main = input_token if input_token in charged else next(iter(charged))
        return {
            "feeAmount": charged[main],
            "feeToken": main,
            "fees": [{"token": symbol, "amount": amount} for symbol, amount in charged.items()],
        }

    def venue_quotes(
        self,
        plan: Plan,
        pools: Mapping[str, RoutablePool],
        *,
        venues: Iterable[str],
        problems: Mapping[str, str],
        base: str,
        valid_until: str,
    ) -> list[JsonObject]:
        """Return one entry per venue asked: its best single pool, or why there is none.

        Args:
            valid_until: As RFC 3339, since it is the same for all.
        """
        quotes: list[JsonObject] = []
        for venue in venues:
            single = plan.best_single_by_venue.get(venue)
            if venue in problems:
                quotes.append({"venue": venue, "error": problems[venue]})
            elif single is None:
                quotes.append({"venue": venue, "error": "no pool of it can fill the order alone"})
            else:
                quote = self._single_pool(plan, single, pools[single.pool_id], base)
                quotes.append({"venue": venue} | quote | {"validUntil": valid_until})
        return quotes

    def route(self, plan: Plan, pools: Mapping[str, RoutablePool], *, base: str) -> JsonObject:
        """Return the chosen route, how good it is, and what it is better than."""
        tokens = {"input_token": plan.input_token, "output_token": plan.output_token}
        best, legs = plan.best_single, plan.legs
        fees: dict[str, int] = {}
        for leg in legs:
            for symbol, units in swap_fees(leg.swap, pools[leg.pool_id].tokens).items():
                fees[symbol] = fees.get(symbol, 0) + units
        return {
            "inputAmount": self.amount(plan.amount_in, plan.input_token),
            "outputAmount": self.amount(plan.amount_out, plan.output_token),
            "price": self.price(plan.amount_in, plan.amount_out, **tokens, base=base),
            **self.fees(fees, input_token=plan.input_token),
            "priceImpactBps": route_impact_bps([_leg_impact(plan, leg, pools[leg.pool_id]) for leg in legs]),
            "route": [self._leg(leg) for leg in legs],
            "routeGapBps": format(plan.gap_bps, "f"),
            "bestSingleVenue": self._best_single(plan, best) if best else None,
            "improvementBps": None if plan.improvement_bps is None else format(plan.improvement_bps, "f"),
        }

    def _single_pool(self, plan: Plan, single: SinglePoolQuote, pool: RoutablePool, base: str) -> JsonObject:
        token_in: TokenIndex = 0 if pool.tokens[0] == plan.input_token else 1
        tokens = {"input_token": plan.input_token, "output_token": plan.output_token}
        return {
            "pool": pool.pool_id,
            "inputAmount": self.amount(single.amount_in, plan.input_token),
            "outputAmount": self.amount(single.amount_out, plan.output_token),
            "price": self.price(single.amount_in, single.amount_out, **tokens, base=base),
            **self.fees(swap_fees(single.swap, pool.tokens), input_token=plan.input_token),
            "priceImpactBps": price_impact_bps(spot_price(pool.state), token_in, single.swap),
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


def _leg_impact(plan: Plan, leg: Leg, pool: RoutablePool) -> LegImpact:
    token_in: TokenIndex = 0 if pool.tokens[0] == leg.token_in else 1
    impact = price_impact_bps(spot_price(pool.state), token_in, leg.swap)
    if leg.token_in == plan.input_token:
        return LegImpact(impact, leg.amount_in, plan.amount_in)
    return LegImpact(impact, leg.amount_out, plan.amount_out)


def swap_fees(result: SwapResult, tokens: tuple[str, str]) -> FeeUnits:
    """Return what one swap cost, by token."""
    fees = {tokens[0]: 0, tokens[1]: 0}
    fees[tokens[result.fee_token]] += result.trade_fee
    fees[tokens[result.creator_fee_token]] += result.creator_fee
    return fees
