"""What the first unit gets: an upper bound, exactly, of the rate of every size over every route.

A resting order is looked at only if the best marginal rate reaches its limit, so that rate may never be too
low: no plan of direct and two-hop paths, however it splits, pays more per unit. It is a fraction of integers
out of the pools' own state; fees are in, each at the least that some size could pay.
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from chalicelib.amm import dlmm_fee, pools
from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool, available, first_index
from chalicelib.amm.pools import Pool, TransferFeePool, reserves
from chalicelib.amm.q64 import ONE
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import U64_MAX, SwapRefusedError, TokenIndex
from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import is_mint
from chalicelib.routing.open_to import makes_price
from chalicelib.routing.plan import RoutablePool

NOTHING: Final = Fraction(0)


def is_open(pool: Pool, now_s: int, slot: int) -> bool:
    """Return whether the program lets traders use the pool."""
    match pool:
        case CpmmPool():
            return now_s >= pool.open_time_s
        case ClmmPool():
            return not pool.open_time_s or now_s > pool.open_time_s
        case DlmmPool() | DammV2Pool():
            return pool.is_open_at(now_s, slot)
        case TransferFeePool():
            return is_open(pool.inner, now_s, slot)


def best_rate(pool: Pool, token_in: TokenIndex, now_s: int, slot: int = 0) -> Fraction:
    """Return what no swap of the pool exceeds, as output per input; 0 if it pays nothing."""
    try:
        return _best_rate(pool, token_in, now_s, slot) if is_open(pool, now_s, slot) else NOTHING
    except SwapRefusedError:  # a price or a rate does not fit the program's integers
        return NOTHING


def _best_rate(pool: Pool, token_in: TokenIndex, now_s: int, slot: int) -> Fraction:
    if isinstance(pool, TransferFeePool):
        kept_in = pool.fees[token_in].kept_at_best(U64_MAX)
        kept_out = pool.fees[1 - token_in].kept_at_best(max(reserves(pool.inner)[1 - token_in], 1))
        return best_rate(pool.inner, token_in, now_s, slot) * kept_in * kept_out
    if isinstance(pool, DlmmPool):
        return _best_bin(pool, token_in, now_s)
    out, paid = pools.marginal_out_per_in(pool, token_in, now_s, slot)
    # Rates of a trade fee and a creator fee may add up to more than everything; an empty side has no price.
    return Fraction(out, paid) if out > 0 and paid > 0 else NOTHING


def _best_bin(pool: DlmmPool, token_in: TokenIndex, now_s: int) -> Fraction:
    """Prices get worse from bin to bin, but the fee falls towards the volatility's reference bin."""
    for_y = token_in == 0
    parameters, bins = pool.parameters, pool.bins
    references = dlmm_fee.references_at(pool.volatility, parameters, pool.active_id, now_s)
    calmest_id = references[1]
    first = first_index(pool, for_y=for_y)
    pays = available(pool, for_y=for_y)
    best = NOTHING
    for index in range(first, -1, -1) if for_y else range(first, len(bins)):
        held = bins[index]
        if not pays(held):
            continue
        price = bin_price(held.bin_id, parameters.bin_step)
        rate = dlmm_fee.fee_rate(parameters, dlmm_fee.accumulated(parameters, references, held.bin_id))
        kept = dlmm_fee.FEE_PRECISION - rate
        gross = Fraction(price, ONE) if for_y else Fraction(ONE, price)
        best = max(best, gross * kept / dlmm_fee.FEE_PRECISION)
        if held.bin_id <= calmest_id if for_y else held.bin_id >= calmest_id:
            break
    return best


class MarginalRates:
    """The best marginal rates between tokens over the pools of one moment.

    Args:
        now_s: Unix time at which orders would execute; dynamic fees depend on it.
        slot: The chain's slot then, 0 if it has none.
    """

    def __init__(self, market: Iterable[RoutablePool], now_s: int, slot: int = 0) -> None:
        self._now_s = now_s
        self._slot = slot
        self._pools: dict[str, dict[str, list[RoutablePool]]] = defaultdict(lambda: defaultdict(list))
        for pool in market:
            one, other = pool.tokens
            self._pools[one][other].append(pool)
            self._pools[other][one].append(pool)
        self._direct: dict[tuple[str, str], Fraction] = {}

    def best(self, input_token: str, output_token: str) -> Rate | None:
        """Return what no plan between two tokens exceeds per unit.

        None if nothing is paid for the first unit.
        """
        best = self._direct_rate(input_token, output_token)
        one, other = self._pools.get(input_token, {}), self._pools.get(output_token, {})
        for between in one.keys() & other.keys():
            if is_mint(between):
                continue  # in no list, and not named: it is on no way
            first = self._direct_rate(input_token, between)
            if first:
                best = max(best, first * self._direct_rate(between, output_token))
        return Rate(best.numerator, best.denominator) if best else None

    def _direct_rate(self, input_token: str, output_token: str) -> Fraction:
        pair = input_token, output_token
        if pair not in self._direct:
            found = self._pools.get(input_token, {}).get(output_token, ())
            rates = [
                best_rate(pool.state, 0 if pool.tokens[0] == input_token else 1, self._now_s, self._slot)
                for pool in found
                if makes_price(pool, pair)
            ]
            self._direct[pair] = max(rates, default=NOTHING)
        return self._direct[pair]


def touched_pairs(market: Iterable[RoutablePool], changed: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the ordered pairs whose direct or two-hop routes lead through pools of some pairs of tokens."""
    neighbours: dict[str, set[str]] = defaultdict(set)
    for pool in market:
        one, other = pool.tokens
        neighbours[one].add(other)
        neighbours[other].add(one)
    touched: set[tuple[str, str]] = set()
    for one, other in changed:
        ends = {(one, other)}
        ends |= {(beyond, other) for beyond in neighbours[one] - {other}}
        ends |= {(one, beyond) for beyond in neighbours[other] - {one}}
        touched |= ends | {(end, start) for start, end in ends}
    return touched
