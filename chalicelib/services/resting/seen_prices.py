"""From pools to prices that resting orders are compared with: pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import NEW_MINT
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_LAUNCH, BY_MARGINAL_RATE, DirectedPair, Held, SeenPrice
from chalicelib.routing.marginal import MarginalRates, touched_pairs
from chalicelib.routing.marks import canonical, mark_of
from chalicelib.services.resting.ports import ArmedPair
from chalicelib.services.resting.prices import Prices


def looked_at(
    prices: Prices, armed: Iterable[ArmedPair], changed: Collection[str] | None = None
) -> Sequence[ArmedPair]:
    """Return of the armed pairs those that changed pools concern; without a list of such, all.

    Args:
        changed: Ids of pools. A rate may lead over any pool of two hops, a mark is of its own pair's pools.
    """
    if changed is None:
        return list(armed)
    tokens = {pool.tokens for pool in prices.pools if pool.pool_id in changed}
    by_rate = touched_pairs(prices.pools, tokens)
    by_mark = tokens | {(other, one) for one, other in tokens}

    def is_concerned(pair: DirectedPair, look: int) -> bool:
        if BY_MARGINAL_RATE < look <= BY_LAUNCH:
            return pair in by_mark or (look == BY_LAUNCH and pair.output_token == NEW_MINT)
        return pair in by_rate

    found = [
        ArmedPair(one.pair, tuple(each for each in one.looks if is_concerned(one.pair, each.look)))
        for one in armed
    ]
    return [one for one in found if one.looks]


def that_may_meet(seen: Iterable[SeenPrice], armed: Iterable[ArmedPair]) -> Sequence[SeenPrice]:
    """Return the prices that reach their nearest watch: the others meet nothing, and need no search."""
    nearest = {(one.pair, each.direction, each.look): each for one in armed for each in one.looks}
    return [
        each
        for each in seen
        if (found := nearest.get((each.pair, each.direction, each.look))) and found.may_be_met(each.key)
    ]


def marks_of(prices: Prices, armed: Iterable[ArmedPair]) -> Mapping[DirectedPair, Decimal]:
    """Return the marks that triggers look at, by canonical pair; a pair that has none is absent."""
    wanted = {DirectedPair(*canonical(*one.pair)) for one in armed if one.by_mark}
    found = {pair: mark_of(prices.pools, pair, prices.now_s, prices.slot) for pair in wanted}
    # A mark is a decimal of fewer digits than a key has, so its key is the mark itself.
    return {pair: mark.key_down() for pair, mark in found.items() if mark is not None}


def seen_rates(prices: Prices, armed: Iterable[ArmedPair]) -> Sequence[SeenPrice]:
    """Return the best marginal rate of each pair, for both directions; a pair without any is absent."""
    rates = MarginalRates(prices.pools, prices.now_s, prices.slot)
    found: list[SeenPrice] = []
    for one in armed:
        best = rates.best(*one.pair) if one.by_rate else None
        if best is not None:
            at = prices.height
            found += [SeenPrice(one.pair, side, BY_MARGINAL_RATE, best, at, at) for side in Direction]
    return found


def seen_marks(
    height: int, armed: Iterable[ArmedPair], held: Mapping[DirectedPair, Mapping[int, Held]]
) -> Sequence[SeenPrice]:
    """Return what each pair's mark stayed on the better and the worse side of, for each number of blocks.

    What waits for a rate to be at least something is met by the least that was seen, as output per input.
    """
    found: list[SeenPrice] = []
    for one in armed:
        pair, tokens = one.pair, DirectedPair(*canonical(*one.pair))
        for blocks, (low, high, from_height) in held.get(tokens, {}).items() if one.by_mark else ():
            least, most = _rate(low), _rate(high)
            if pair != tokens:
                least, most = most.inverse(), least.inverse()
            found += [
                SeenPrice(pair, Direction.AT_LEAST, blocks, least, height, from_height),
                SeenPrice(pair, Direction.AT_MOST, blocks, most, height, from_height),
            ]
    return found


def _rate(mark: Decimal) -> Rate:
    return Rate.of(*mark.as_integer_ratio())
