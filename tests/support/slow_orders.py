"""What becomes of whole orders on a recorded path, by a loop over all orders and all looks.

It knows nothing of watches, classes of sizes, wake rates or times to look again: at each look it asks of each
order what its terms say, by that look's pools alone, and of a mark by all looks so far.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple
from uuid import UUID

from chalicelib.amm.pools import reserves, swap
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import Swap, SwapRefusedError
from chalicelib.domain.launches import Opening
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger
from chalicelib.domain.watches import DirectedPair, Watch
from chalicelib.routing.exactness import EXACT
from chalicelib.routing.plan import RoutablePool
from tests.support.price_paths import Look, has_met

_PER_BPS: Final = 100


class End(NamedTuple):
    """What ended an order's wait, and at which look, by its place on the path."""

    what: str
    place: int


@dataclass(frozen=True)
class NewPool:
    """A pool that opens, and the first look that shows it."""

    pool: RoutablePool
    opening: Opening
    place: int


@dataclass(frozen=True)
class Road:
    """What happens: looks at a pool of SOL and USDC, and pools that open.

    Attributes:
        main: The pool of each look.
        decimals: Of the tokens that new pools trade.
    """

    path: Sequence[Look]
    main: Sequence[CpmmPool]
    new_pools: Sequence[NewPool]
    decimals: Mapping[str, int]
    gap_max: int

    def ends(self, waiting: Sequence[tuple[Order, int]]) -> dict[UUID, End]:
        """Return what ends each order's wait, given the look before which it is accepted.

        Those that wait for ever are absent.
        """
        found: dict[UUID, End] = {}
        for order, accepted in waiting:
            for place in range(accepted, len(self.path)):
                what = self._becomes(order, place, is_new=place == accepted)
                if what is not None:
                    found[order.order_id] = End(what, place)
                    break
        return found

    def _becomes(self, order: Order, place: int, *, is_new: bool) -> str | None:
        terms = order.terms
        if terms.sniper is not None:
            return self._launches(order, place)
        if terms.trigger is None:
            assert terms.limit is not None
            return "confirmed" if self._pays(order, Direction.AT_LEAST, terms.limit.rate, place) else None
        trigger = terms.trigger
        is_met = self._meets(order, trigger, place)
        if is_new and is_met and trigger.if_already_met is IfAlreadyMet.REFUSE:
            return "TRIGGER_ALREADY_MET"
        if trigger.source is PriceSource.MARK:
            is_met = self._held(order, trigger, place)
        return "triggered" if is_met else None

    def _meets(self, order: Order, trigger: Trigger, place: int) -> bool:
        """Return whether a look's price alone is on the trigger's side."""
        if trigger.source is PriceSource.EXECUTABLE:
            return self._pays(order, trigger.direction, trigger.rate, place)
        mark = self.path[place].price if order.terms.input_token == "SOL" else 1 / self.path[place].price
        return _is_on_side(trigger.direction, mark, trigger.rate)

    def _held(self, order: Order, trigger: Trigger, place: int) -> bool:
        pair = ("BASE", "QUOTE") if order.terms.input_token == "SOL" else ("QUOTE", "BASE")
        watch = Watch(
            order.order_id,
            DirectedPair(*pair),
            trigger.direction,
            trigger.confirmations,
            trigger.rate,
            order.accepted_at,
        )
        return has_met(watch, self.path[: place + 1], self.gap_max)

    def _pays(self, order: Order, direction: Direction, wanted: Rate, place: int) -> bool:
        """Return whether what the order's whole size gets is on a side of a rate."""
        terms = order.terms
        try:
            done, _ = swap(
                self.main[place],
                Swap(EXACT[terms.swap_mode], terms.amount_units, 0 if terms.input_token == "SOL" else 1),
            )
        except SwapRefusedError:
            return False
        return _is_on_side(direction, Fraction(done.amount_out, done.amount_in), wanted)

    def _launches(self, order: Order, place: int) -> str | None:
        """Say what the pools come to that have opened since: one that passes is bought from."""
        judged = [self._judged(order, each, place) for each in self._since(order, place)]
        for what in ("triggered", "waits", "LAUNCH_FILTERED"):
            if what in judged:
                return None if what == "waits" else what
        return None

    def _since(self, order: Order, place: int) -> Iterator[NewPool]:
        terms, sniper = order.terms, order.terms.sniper
        assert sniper is not None
        return (
            each
            for each in self.new_pools
            if each.place <= place
            and set(each.pool.tokens) == {terms.input_token, terms.output_token}
            and each.opening.at > order.accepted_at
            and sniper.venue in {None, each.pool.venue}
        )

    def _judged(self, order: Order, new: NewPool, place: int) -> str:
        terms, sniper, state = order.terms, order.terms.sniper, new.pool.state
        assert sniper is not None
        assert isinstance(state, CpmmPool)
        if terms.output_decimals not in {None, self.decimals[terms.output_token]}:
            return "LAUNCH_FILTERED"
        age = self.path[place].height - new.opening.height
        if sniper.max_delay_blocks is not None and age > sniper.max_delay_blocks:
            return "LAUNCH_FILTERED"
        held = reserves(state)[new.pool.tokens.index(terms.input_token)]
        if sniper.min_liquidity_units is not None and held < sniper.min_liquidity_units:
            return "LAUNCH_FILTERED"
        if sniper.max_fee_bps is not None and state.fees.trade_fee_rate > sniper.max_fee_bps * _PER_BPS:
            return "waits"
        return "triggered"


def _is_on_side(direction: Direction, seen: Fraction, wanted: Rate) -> bool:
    rate = Fraction(wanted.output_units, wanted.input_units)
    return seen >= rate if direction is Direction.AT_LEAST else seen <= rate
