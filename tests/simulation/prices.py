"""The price of a run: a walk with one-block spikes and gaps, and what of it was looked at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Final
from uuid import UUID

from chalicelib.amm.pools import swap
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import Swap, SwapRefusedError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.rates import Rate
from chalicelib.domain.terms import OrderTerms
from chalicelib.domain.triggers import Direction, PriceSource, is_met
from chalicelib.domain.watches import (
    BY_LAUNCH,
    BY_MARGINAL_RATE,
    DirectedPair,
    Fired,
    MarkRange,
    SeenPrice,
)
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.resting.ports import ArmedPair
from chalicelib.services.resting.prices import Prices
from tests.fakes.watches import MemoryWatches
from tests.simulation.chain import FIRST_HEIGHT, POOL, VENUES, Opened, height_at
from tests.simulation.openings import MINT, NewPool, mark_of_mint, of_mint
from tests.simulation.world import World

_STEP_BLOCKS_MAX: Final = 40
_GAP_BLOCKS: Final = (1, 8, 40)
_MILLION: Final = 10**6
_GAP_MAX: Final = 20
"""As the matcher's, stated anew: what it is compared with must not follow it."""


@dataclass(frozen=True, slots=True)
class PricePath:
    """Pools by the block from which they are so; None where no price can be seen.

    Attributes:
        changes: Heights ascending.
    """

    changes: Sequence[tuple[int, CpmmPool | None]] = ((0, POOL),)

    def at(self, height: int) -> CpmmPool | None:
        return next((pool for since, pool in reversed(self.changes) if since <= height), POOL)

    def meets(self, state: OrderState, height: int) -> bool:
        """Return whether a block's price is what an order that rests waits for."""
        pool = self.at(height)
        if state.order.terms.sniper is not None:
            return False  # an opening, and no price
        return pool is not None and _is_what_it_waits_for(state, pool)

    def between(self, first: int, last: int) -> Iterator[CpmmPool]:
        """Yield every pool that stood in one of these blocks."""
        ends = [*(since for since, _ in self.changes[1:]), last + 1]
        for (since, pool), until in zip(self.changes, ends, strict=True):
            if pool is not None and since <= last and until > first:
                yield pool


def _is_what_it_waits_for(state: OrderState, pool: CpmmPool) -> bool:
    """Ask one of the two pools for all of the order: what the engine gets of both is no worse."""
    terms = state.order.terms
    if terms.trigger is None or state.is_triggered:
        assert terms.limit is not None
        return _gets(terms, pool, Direction.AT_LEAST, terms.limit.rate)
    if terms.trigger.source is PriceSource.EXECUTABLE:
        return _gets(terms, pool, terms.trigger.direction, terms.trigger.rate)
    return is_met(terms.trigger.direction, terms.trigger.rate, mid(pool, terms.input_token))


def mid(pool: CpmmPool, input_token: str) -> Rate:
    """Return a pool's price before fees, exactly."""
    if input_token == "SOL":
        return Rate(pool.reserve_1, pool.reserve_0)
    return Rate(pool.reserve_0, pool.reserve_1)


def best_rate(pool: CpmmPool, input_token: str) -> Rate:
    """Return what no amount gets more than: the price less the fee."""
    price = mid(pool, input_token)
    return Rate(price.output_units * (_MILLION - pool.fees.trade_fee_rate), price.input_units * _MILLION)


def _gets(terms: OrderTerms, pool: CpmmPool, direction: Direction, wanted: Rate) -> bool:
    try:
        swap_of_all = Swap(EXACT[terms.swap_mode], terms.amount_units, 0 if terms.input_token == "SOL" else 1)
        result, _ = swap(pool, swap_of_all)
    except SwapRefusedError:
        return False
    return is_met(direction, wanted, Rate(result.amount_out, result.amount_in))


def draw_path(dice: Random, until_s: float) -> PricePath:
    """Return a price that moves until a moment and then stays."""
    last, height, thousandths = height_at(until_s), FIRST_HEIGHT, 1_000
    changes: list[tuple[int, CpmmPool | None]] = [(0, POOL)]
    while (height := height + dice.randint(1, _STEP_BLOCKS_MAX)) < last:
        match dice.random():
            case chance if chance < 0.15:
                changes += [
                    (height, _pool(thousandths * dice.choice([1, 3]) // 2)),
                    (height + 1, changes[-1][1]),
                ]
                height += 1
            case chance if chance < 0.25:
                changes += [(height, None)]
                height += dice.choice(_GAP_BLOCKS)
                changes += [(height, _pool(thousandths))]
            case _:
                thousandths = max(500, thousandths + dice.randint(-25, 25))
                changes += [(height, _pool(thousandths))]
    return PricePath(changes)


def _pool(thousandths: int) -> CpmmPool:
    return replace(POOL, reserve_1=POOL.reserve_1 * thousandths // 1_000)


class SimulatedPrices:
    """``PriceReader`` on the path."""

    def __init__(self, world: World, path: PricePath, opened: Opened) -> None:
        self._world = world
        self._path = path
        self._opened = opened

    def read(self) -> Prices:
        return self._world.call("venue", "prices", self._now)

    def _now(self) -> Prices:
        height = height_at(self._world.scheduler.now_s)
        pool = self._path.at(height)
        named = [RoutablePool(f"{venue}-pool", venue, ("SOL", "USDC"), pool) for venue in VENUES if pool]
        return Prices([*named, *self._opened(height)], 0, 0, height)


@dataclass
class WitnessedWatches(MemoryWatches):
    """Watches that hold whatever fires against the path and the looks at it, in a loop of its own.

    Attributes:
        looks: Of each pair, every block whose mark was noted.
        unfounded: What was fired without its condition having been seen, or watched for wrongly, in words.
        fires: All that was ever committed as fired by a price.
        wanted: What an order says it waits for, if it is open.
    """

    path: PricePath = field(default_factory=PricePath)
    new_pools: Sequence[NewPool] = ()
    looks: dict[frozenset[str], set[int]] = field(default_factory=dict)
    unfounded: list[str] = field(default_factory=list)
    fires: list[Fired] = field(default_factory=list)
    wanted: Callable[[UUID], Rate | None] = lambda _: None

    def observe(
        self, height: int, marks: Mapping[DirectedPair, Decimal], *, keep: int
    ) -> Mapping[DirectedPair, Sequence[MarkRange]]:
        for pair in marks:
            self.looks.setdefault(frozenset(pair), set()).add(height)
        return super().observe(height, marks, keep=keep)

    def armed(self) -> Sequence[ArmedPair]:
        self.unfounded += [
            f"{order_id} was watched for at another rate than it waits for"
            for order_id, row in self.rows.items()
            if row.fired is None and (wanted := self.wanted(order_id)) and wanted != row.watch.rate
        ]
        return super().armed()

    def fire(self, seen: Sequence[SeenPrice], *, limit: int) -> Sequence[Fired]:
        fired = super().fire(seen, limit=limit)
        self.fires += fired
        self.unfounded += [
            f"{one.order_id} was fired, and its condition had not been seen"
            for one in fired
            if not self._was_seen(one)
        ]
        return fired

    def _was_seen(self, one: Fired) -> bool:
        assert one.height is not None
        if one.look == BY_LAUNCH:
            return one.seen is not None and one.seen.is_at_least(self.rows[one.order_id].watch.rate)
        if one.look <= 1:
            return self._holds(one, one.height)
        looks = self.looks.get(frozenset(self.rows[one.order_id].watch.pair), ())
        heights = sorted(height for height in looks if height <= one.height)[::-1]
        held = [one.height] if self._holds(one, one.height) else []
        for later, earlier in pairwise(heights):
            if not held or later - earlier > _GAP_MAX or not self._holds(one, earlier):
                break
            held.append(earlier)
        return bool(held) and held[-1] <= one.height - one.look + 1

    def _holds(self, one: Fired, height: int) -> bool:
        watch, pool = self.rows[one.order_id].watch, self.path.at(height)
        given = watch.pair.input_token
        if MINT in watch.pair:
            return self._holds_of_mint(one, height)
        if pool is None:
            return False
        seen = best_rate(pool, given) if one.look == BY_MARGINAL_RATE else mid(pool, given)
        return is_met(watch.direction, watch.rate, seen)

    def _holds_of_mint(self, one: Fired, height: int) -> bool:
        watch = self.rows[one.order_id].watch
        given, direction, rate = watch.pair.input_token, watch.direction, watch.rate
        if one.look == BY_MARGINAL_RATE:
            found = of_mint(self.new_pools, height)
            return any(is_met(direction, rate, each.best_rate(given)) for each in found)
        mark = mark_of_mint(self.new_pools, height, given)
        return mark is not None and is_met(direction, rate, mark)
