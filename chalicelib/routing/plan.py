"""What the router is given and what it answers.

All are named tuples, since an order makes a dozen: a frozen dataclass takes four times as long to make.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from chalicelib.amm.pools import Pool
from chalicelib.amm.swaps import Exact, SwapResult, TokenIndex
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.routing.firm_quotes import FirmQuote


class RoutablePool(NamedTuple):
    """A pool an order may trade with; ``tokens`` are its token 0 and token 1.

    Attributes:
        is_listed: Without that it is one a stranger may have made a moment ago: it takes orders that wait
            for just such a pool or name its mint, makes no other price, and is on no other order's way.
    """

    pool_id: str
    venue: str
    tokens: tuple[str, str]
    state: Pool
    is_listed: bool = True


class Leg(NamedTuple):
    """One swap on one pool, amounts in base units; ``swap`` has its fee parts.

    ``share_bps`` is the part of the order that flows through this leg. A path splits each of
    its hops over one or more pools, so its legs' shares add up to the path's once per hop.
    """

    pool_id: str
    venue: str
    token_in: str
    token_out: str
    amount_in: int
    amount_out: int
    share_bps: int
    swap: SwapResult


class Path(NamedTuple):
    """A path from the input to the output token, legs in the order of execution.

    A direct path is one leg. A two-hop path has one leg or more per hop; what the first hop
    pays is, to the unit, what the second takes. No pool appears twice in a plan.
    """

    tokens: tuple[str, ...]
    legs: tuple[Leg, ...]
    amount_in: int
    amount_out: int
    share_bps: int


AskedSwap = tuple[Exact, int, TokenIndex, int, int]
"""Which amount is exact, the amount, the token that comes in, Unix time and slot, as a ``Swap`` has them."""


class ForeseenSwap(NamedTuple):
    """One swap of a plan, and the very states that it leads from and to.

    Attributes:
        asked: What it was asked for.
        impact_bps: How much it moves the pool's price, fees aside; a decimal with two places.
    """

    before: Pool
    asked: AskedSwap
    result: SwapResult
    after: Pool
    impact_bps: str


class SinglePoolQuote(NamedTuple):
    """What one pool alone would do for the whole order, exactly; ``swap`` has its fee parts.

    A firm quote stands here too, under its own id, beside those of the pools.
    """

    pool_id: str
    venue: str
    amount_in: int
    amount_out: int
    swap: SwapResult


class Plan(NamedTuple):
    """How to fill an order, and how good that is.

    Attributes:
        paths: Their ``share_bps`` (of the amount in if exact-in, of the amount out if
            exact-out) add up to 10 000.
        leg_cost: Charged per leg, in output (exact-in) or input (exact-out) base units. The
            objective is the amount out less, or the amount in plus, this cost for every leg.
        bound: No plan of at most two hops has an objective beyond this: the most out
            (exact-in) or the least in (exact-out), costs included, in base units.
        gap_bps: How far the objective is from the bound, relative to the bound, rounded up
            to a millionth of a basis point.
        best_single: The best plan of one pool or firm quote; None if none can fill the order alone.
        best_single_by_venue: The same per venue; venues that cannot are absent.
        improvement_bps: How much more comes out, or less goes in, than with ``best_single``,
            before leg costs and relative to it, rounded down. Below 0 only where a second
            leg would have cost more than it brings; None without ``best_single``.
        pools_after: The state this plan leaves in every pool it trades with.
        firm_quote: What fills the order instead of pools; the one leg then has its id for a pool's.
    """

    mode: SwapMode
    input_token: str
    output_token: str
    amount_in: int
    amount_out: int
    leg_cost: int
    paths: tuple[Path, ...]
    bound: int
    gap_bps: Decimal
    best_single: SinglePoolQuote | None
    best_single_by_venue: Mapping[str, SinglePoolQuote]
    improvement_bps: Decimal | None
    pools_after: Mapping[str, Pool]
    firm_quote: FirmQuote | None = None

    @property
    def legs(self) -> tuple[Leg, ...]:
        return tuple([leg for path in self.paths for leg in path.legs])
