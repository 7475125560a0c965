"""Recorded price paths, with spikes and gaps, and which orders they fire by a loop over all orders.

The loop knows nothing of thresholds, windows, keys or indexes: it goes through the looks one by one, with
fractions, and asks of each order what its terms say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from uuid import UUID

from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import DirectedPair, Watch
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.resting.prices import Prices
from tests.fakes.orders import NOON

DEPTH = 10**12
FEE_RATE = 2_500
KEPT = Fraction(10**6 - FEE_RATE, 10**6)


@dataclass(frozen=True)
class Look:
    """One look at the market: where the chain stood, and the price of BASE in QUOTE before fees."""

    height: int
    price: Fraction


def a_path(random: Random, *, looks: int, gap_max: int) -> list[Look]:
    """Return a walk with one-block spikes, several looks in some blocks, and gaps beyond ``gap_max``."""
    path: list[Look] = []
    height, price = 1_000, 1_000_000
    while len(path) < looks:
        height += random.choice([0, 0, 1, 1, 1, 1, 2, gap_max, gap_max + 1, gap_max + 7])
        price = max(1_000, price + random.randint(-60_000, 60_000))
        path.append(Look(height, Fraction(price, 10**6)))
        if random.random() < 0.15:  # and back again
            spike = Fraction(price, 10**6) * random.choice([Fraction(1, 2), Fraction(3, 2)])
            height += random.choice([0, 1])
            path.append(Look(height, spike))
            height += random.choice([0, 1])
            path.append(Look(height, Fraction(price, 10**6)))
    return path


def prices_at(look: Look) -> Prices:
    """Return the market of one pool that a look finds."""
    quote = look.price * DEPTH
    assert quote.denominator == 1
    state = CpmmPool(DEPTH, quote.numerator, CpmmFees(FEE_RATE, 0, 0))
    return Prices([RoutablePool("pool", "venue", ("BASE", "QUOTE"), state)], 0, 0, look.height)


def an_order_that_waits(random: Random, order_id: UUID, path: Sequence[Look]) -> Watch:
    """Return a watch somewhere on the path, in either direction, for the rate or for the mark."""
    pair = DirectedPair(*random.choice([("BASE", "QUOTE"), ("QUOTE", "BASE")]))
    price = random.choice(path).price * Fraction(random.randint(90, 110), 100)
    rate = Rate.of(price.numerator, price.denominator)
    return Watch(
        order_id,
        pair,
        random.choice(list(Direction)),
        random.randint(0, 10) if random.random() < 0.7 else random.randint(0, 2),
        rate if pair.input_token == "BASE" else rate.inverse(),
        NOON,
        since_height=random.choice([0, random.choice(path).height]),
    )


def first_fires(watches: Sequence[Watch], path: Sequence[Look], *, gap_max: int) -> dict[UUID, int]:
    """Return at which look (by its place on the path) each order fires; those that never do are absent."""
    fires: dict[UUID, int] = {}
    for watch in watches:
        for place in range(len(path)):
            if has_met(watch, path[: place + 1], gap_max):
                fires[watch.order_id] = place
                break
    return fires


def has_met(watch: Watch, past: Sequence[Look], gap_max: int) -> bool:
    """Return whether an order is met by the last of some looks, and by those before it as long as it asks."""
    height = past[-1].height
    if watch.look <= 1:
        return height >= watch.since_height and _holds(watch, past[-1])
    # Back from now, look by look, for as long as the condition held and no gap between looks was too long.
    covered_from, later = height, height
    for place in range(len(past) - 1, -1, -1):
        look = past[place]
        if later - look.height > gap_max or not _holds(watch, look):
            break
        later = look.height
        is_whole_block = place == 0 or past[place - 1].height < look.height
        if is_whole_block:
            covered_from = look.height
    else:
        return _is_long_enough(watch, covered_from, height)
    if past[place].height == later:  # that block did not hold as a whole
        later_blocks = [look.height for look in past[place + 1 :] if look.height > later]
        covered_from = min(later_blocks, default=height + 1)
    return _is_long_enough(watch, covered_from, height)


def _is_long_enough(watch: Watch, covered_from: int, height: int) -> bool:
    first = height - watch.look + 1
    return covered_from <= first and watch.since_height <= first


def _holds(watch: Watch, look: Look) -> bool:
    seen = look.price if watch.pair.input_token == "BASE" else 1 / look.price
    if watch.look == 0:
        seen *= KEPT
    wanted = Fraction(watch.rate.output_units, watch.rate.input_units)
    return seen >= wanted if watch.direction is Direction.AT_LEAST else seen <= wanted
