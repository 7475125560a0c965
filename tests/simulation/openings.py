"""Pools that open in a run, as sniper orders wait for, and what such an order buys, stated anew."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from random import Random
from statistics import median
from typing import Final

from chalicelib.amm.pools import swap
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.amm.swaps import Swap, SwapRefusedError, TokenIndex
from chalicelib.domain.launches import Opening, SeenOpenings
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Rate
from chalicelib.domain.terms import OrderTerms
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.triggers import Direction, is_met
from chalicelib.domain.watches import DirectedPair
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.plan import RoutablePool
from tests.simulation.chain import BLOCK_S, FIRST_HEIGHT, VENUES, height_at
from tests.simulation.world import EPOCH, World

TOKEN: Final = "RAY"
MINT: Final = "5xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFi"
"""Of a token that is in no list."""

DECIMALS: Final = 4
"""Of that mint; the market knows them once it has a pool of it."""

_FEES_BPS: Final = (25, 100)
_DEPTHS: Final = (10**10, 10**12)
_MILLION: Final = 10**6


@dataclass(frozen=True, slots=True)
class NewPool:
    """A pool for which nobody traded before it opened.

    Attributes:
        depth_units: Of USDC in it; of the new token it holds as much, or half of that.
    """

    pool: RoutablePool
    opening: Opening
    fee_bps: int
    depth_units: int

    def is_waited_for(self, state: OrderState) -> bool:
        """Return whether its opening concerns a sniper order: with what comes of it, that is over."""
        terms, sniper = state.order.terms, state.order.terms.sniper
        assert sniper is not None
        return (
            terms.output_token == self.pool.tokens[0]
            and state.order.accepted_at < self.opening.at
            and sniper.venue in {None, self.pool.venue}
        )

    def suits(self, state: OrderState) -> bool:
        """Return whether an order is to buy from it, except that it may be too late for that."""
        sniper = state.order.terms.sniper
        assert sniper is not None
        return (
            self.is_waited_for(state)
            and not is_misled(state.order.terms)
            and (sniper.min_liquidity_units or 0) <= self.depth_units
            and self.fee_bps <= (10_000 if sniper.max_fee_bps is None else sniper.max_fee_bps)
        )

    def mid(self, input_token: str) -> Rate:
        """Return its price before fees."""
        assert isinstance(self.pool.state, CpmmPool)
        given, got = self.pool.state.reserve_0, self.pool.state.reserve_1
        return Rate(got, given) if input_token == self.pool.tokens[0] else Rate(given, got)

    def best_rate(self, input_token: str) -> Rate:
        """Return what no amount gets more than: the price less the fee."""
        price = self.mid(input_token)
        return Rate(price.output_units * (_MILLION - self.fee_bps * 100), price.input_units * _MILLION)

    def gets(self, state: OrderState, wanted: Rate) -> bool:
        """Return whether it alone pays an order's whole amount at a rate, or better."""
        terms = state.order.terms
        token_in: TokenIndex = 0 if terms.input_token == self.pool.tokens[0] else 1
        try:
            swapped, _ = swap(self.pool.state, Swap(EXACT[terms.swap_mode], terms.amount_units, token_in))
        except SwapRefusedError:
            return False
        return is_met(Direction.AT_LEAST, wanted, Rate(swapped.amount_out, swapped.amount_in))


def is_misled(terms: OrderTerms) -> bool:
    """Return whether an order says other decimals of the mint than it has."""
    return terms.output_token == MINT and terms.output_decimals not in {None, DECIMALS}


def draw_openings(dice: Random, until_s: float) -> Sequence[NewPool]:
    """Return pools that open while anything still goes wrong."""
    first, last = FIRST_HEIGHT + 1, height_at(until_s)
    heights = [dice.randint(first, last) for _ in range(dice.choice([0, 1, 1, 2]))]
    listed = [_drawn(dice, number, height, TOKEN) for number, height in enumerate(sorted(heights))]
    # Those of a mint leave time to sell what was bought.
    heights = [dice.randint(first, first + (last - first) // 2) for _ in range(dice.choice([0, 1, 2, 2]))]
    return [*listed, *(_drawn(dice, number, height, MINT) for number, height in enumerate(sorted(heights)))]


def _drawn(dice: Random, number: int, height: int, token: str) -> NewPool:
    fee_bps, depth, venue = dice.choice(_FEES_BPS), dice.choice(_DEPTHS), dice.choice(VENUES)
    price = 1
    if token == MINT:  # none is so shallow that it has no say in the mark
        depth, price = max(depth, 10**11), dice.choice([1, 2])
    state = CpmmPool(depth, depth * price, CpmmFees(fee_bps * 100, 0, 0))
    at = EPOCH + timedelta(seconds=(height - FIRST_HEIGHT) * BLOCK_S)
    named = RoutablePool(f"{token[:3].lower()}-{number + 1}", venue, (token, "USDC"), state)
    return NewPool(named, Opening(height, at), fee_bps, depth * price)


class SimulatedOpenings:
    """``Openings`` of a run: what has opened, and what is known to open in a moment."""

    def __init__(self, world: World, pools: Sequence[NewPool]) -> None:
        self._world = world
        self._pools = pools

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        return self._world.call("venue", "openings", lambda: self._seen(pairs))

    def _seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        tokens = {frozenset(MINT if token == NEW_MINT else token for token in pair) for pair in pairs}
        height = height_at(self._world.scheduler.now_s)
        found = {
            each.pool.pool_id: each.opening
            for each in opened(self._pools, height)
            if frozenset(each.pool.tokens) in tokens
        }
        return SeenOpenings(height, found)


def buys(state: OrderState, pools: Iterable[NewPool]) -> bool:
    """Return whether pools that are open bring a sniper order to its end: it buys, or is misled."""
    limit = state.order.terms.limit
    return any(
        (each.is_waited_for(state) and is_misled(state.order.terms))
        or (each.suits(state) and (limit is None or each.gets(state, limit.rate)))
        for each in pools
    )


class SimulatedMints:
    """``Mints`` of a run: what has a pool by now is known."""

    def __init__(self, world: World, pools: Sequence[NewPool]) -> None:
        self._world = world
        self._pools = pools

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        return self._world.call("venue", "mints", lambda: self._known(mints))

    def _known(self, mints: Collection[str]) -> Mapping[str, int]:
        is_known = MINT in mints and any(of_mint(self._pools, height_at(self._world.scheduler.now_s)))
        return {MINT: DECIMALS} if is_known else {}


def of_mint(pools: Sequence[NewPool], height: int) -> Iterator[NewPool]:
    """Yield the pools of the mint that trade by a block."""
    return (each for each in opened(pools, height) if each.pool.tokens[0] == MINT)


def mark_of_mint(pools: Sequence[NewPool], height: int, input_token: str) -> Rate | None:
    """Return the median of what the mint's pools ask, as output per input; of two, their mean in USDC."""
    mids = [each.mid(MINT) for each in of_mint(pools, height)]
    if not mids:
        return None
    found = Fraction(median(Fraction(rate.output_units, rate.input_units) for rate in mids))
    per_mint = Rate(found.numerator, found.denominator)
    return per_mint if input_token == MINT else per_mint.inverse()


def meets_mint(state: OrderState, pools: Sequence[NewPool], height: int) -> bool:
    """Return whether the mint's pools offer what an order that names it, and is no sniper's, waits for."""
    terms = state.order.terms
    if terms.trigger is None or state.is_triggered:
        assert terms.limit is not None
        wanted = terms.limit.rate
        return any(each.gets(state, wanted) for each in of_mint(pools, height))
    mark = mark_of_mint(pools, height, terms.input_token)
    return mark is not None and is_met(terms.trigger.direction, terms.trigger.rate, mark)


def opened(pools: Sequence[NewPool], height: int) -> Iterator[NewPool]:
    """Yield the pools that trade by a block."""
    return (each for each in pools if each.opening.height <= height)
