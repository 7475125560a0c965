"""Pools that open in a run, as sniper orders wait for, and what such an order buys, stated anew."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.launches import Opening, SeenOpenings
from chalicelib.domain.orders import OrderState
from chalicelib.domain.watches import DirectedPair
from chalicelib.routing.plan import RoutablePool
from tests.simulation.chain import BLOCK_S, FIRST_HEIGHT, VENUES, height_at
from tests.simulation.world import EPOCH, World

TOKEN: Final = "RAY"
_FEES_BPS: Final = (25, 100)
_DEPTHS: Final = (10**10, 10**12)


@dataclass(frozen=True, slots=True)
class NewPool:
    """A pool for which nobody traded before it opened.

    Attributes:
        depth_units: Of USDC in it; it holds as much of the new token.
    """

    pool: RoutablePool
    opening: Opening
    fee_bps: int
    depth_units: int

    def suits(self, state: OrderState) -> bool:
        """Return whether an order is to buy from it, except that it may be too late for that."""
        terms, sniper = state.order.terms, state.order.terms.sniper
        assert sniper is not None
        return (
            terms.output_token == TOKEN
            and state.order.accepted_at < self.opening.at
            and sniper.venue in {None, self.pool.venue}
            and (sniper.min_liquidity_units or 0) <= self.depth_units
            and self.fee_bps <= (10_000 if sniper.max_fee_bps is None else sniper.max_fee_bps)
        )


def draw_openings(dice: Random, until_s: float) -> Sequence[NewPool]:
    """Return pools that open while anything still goes wrong."""
    heights = [dice.randint(FIRST_HEIGHT + 1, height_at(until_s)) for _ in range(dice.choice([0, 1, 1, 2]))]
    return [_drawn(dice, number, height) for number, height in enumerate(sorted(heights))]


def _drawn(dice: Random, number: int, height: int) -> NewPool:
    fee_bps, depth, venue = dice.choice(_FEES_BPS), dice.choice(_DEPTHS), dice.choice(VENUES)
    state = CpmmPool(depth, depth, CpmmFees(fee_bps * 100, 0, 0))
    at = EPOCH + timedelta(seconds=(height - FIRST_HEIGHT) * BLOCK_S)
    named = RoutablePool(f"new-{number + 1}", venue, (TOKEN, "USDC"), state)
    return NewPool(named, Opening(height, at), fee_bps, depth)


class SimulatedOpenings:
    """``Openings`` of a run: what has opened, and what is known to open in a moment."""

    def __init__(self, world: World, pools: Sequence[NewPool]) -> None:
        self._world = world
        self._pools = pools

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        return self._world.call("venue", "openings", lambda: self._seen(pairs))

    def _seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        tokens = {frozenset(pair) for pair in pairs}
        height = height_at(self._world.scheduler.now_s)
        found = {
            each.pool.pool_id: each.opening
            for each in opened(self._pools, height)
            if frozenset(each.pool.tokens) in tokens
        }
        return SeenOpenings(height, found)


def opened(pools: Sequence[NewPool], height: int) -> Iterator[NewPool]:
    """Yield the pools that trade by a block."""
    return (each for each in pools if each.opening.height <= height)
