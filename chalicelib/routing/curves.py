"""Each pool kind's state as a curve of ranges, fees folded in (see ``ranges``).

A fee that keeps ``kept_in`` of the input or ``kept_out`` of the output is a change of units:
the root becomes root·√(kept_in·kept_out) and the liquidity L·√(kept_out/kept_in).
"""

from bisect import bisect_right
from math import inf, prod, sqrt
from operator import itemgetter
from typing import Final

from chalicelib.amm import clmm_step, damm_v2_fee, dlmm_fee, raydium_cpmm
from chalicelib.amm.clmm_tick import sqrt_price_at
from chalicelib.amm.damm_v2_base_fee import RateLimiterFee
from chalicelib.amm.damm_v2_curve import CompoundingCurve
from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool, first_index
from chalicelib.amm.pools import Pool, TransferFeePool, reserves
from chalicelib.amm.q64 import ONE
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import U64_MAX, SwapRefusedError, TokenIndex
from chalicelib.routing.ranges import Curve, Range, concave_hull, product_range
from chalicelib.routing.rate_limited import rate_limited

_ID: Final = itemgetter(0)
_FLOAT_MARGIN: Final = 1.0 + 1e-12


def curve_of(
    pool: Pool,
    token_in: TokenIndex,
    now_s: int,
    *,
    slot: int = 0,
    stop_in: float = inf,
    stop_out: float = inf,
) -> Curve:
    """Return what the pool offers for ``token_in``, at least up to one of the two amounts.

    Bins and ticks beyond both amounts are not read: no order of that size reaches them. Without an
    amount in, the curve is that of exact outputs, where the two differ (see ``rate_limited``). The
    curve is empty if the pool pays nothing, has not opened, or is in a state that its program refuses.
    """
    try:
        return _curve_of(pool, token_in, now_s, slot, stop_in, stop_out)
    except SwapRefusedError:  # a price or a rate does not fit the program's integers
        return ()


def _curve_of(
    pool: Pool, token_in: TokenIndex, now_s: int, slot: int, stop_in: float, stop_out: float
) -> Curve:
    match pool:
        case DlmmPool():
            return _dlmm(pool, token_in, now_s, stop_in, stop_out) if pool.is_open_at(now_s, slot) else ()
        case ClmmPool():
            return _clmm(pool, token_in, now_s, stop_in, stop_out)
        case DammV2Pool():
            return (
                _damm_v2(pool, token_in, now_s, slot, stop_in, stop_out)
                if pool.is_open_at(now_s, slot)
                else ()
            )
        case CpmmPool():
            return _cpmm(pool, token_in, now_s)
        case TransferFeePool():
            kept_in, kept_out = _kept_by_transfers(pool, token_in)
            if not (kept_in and kept_out):
                return ()
            stop_out /= kept_out
            inner = curve_of(pool.inner, token_in, now_s, slot=slot, stop_in=stop_in, stop_out=stop_out)
            return [_taxed(part, kept_in, kept_out) for part in inner]


def best_root(pool: Pool, token_in: TokenIndex, now_s: int, top: Range) -> float:
    """Return a root that the pool's curve does not start above, however far it is read.

    Prices get worse from ``top``, the first range, on; but a DLMM's fee may fall ahead.
    """
    if isinstance(pool, ClmmPool):
        return top.start
    if isinstance(pool, TransferFeePool):
        turn = sqrt(prod(_kept_by_transfers(pool, token_in)))
        inner = best_root(pool.inner, token_in, now_s, top._replace(start=top.start / turn))
        return max(inner * turn, top.start)
    if not isinstance(pool, DlmmPool):
        return top.start
    parameters, active_id = pool.parameters, pool.active_id
    if pool.volatility.index_reference == active_id:  # nothing is calmer than where it stands
        return top.start
    references = dlmm_fee.references_at(pool.volatility, parameters, active_id, now_s)
    calmest_id = references[1]
    if (calmest_id >= active_id) if token_in == 0 else (calmest_id <= active_id):
        return top.start
    price = bin_price(active_id, parameters.bin_step) / ONE
    least = dlmm_fee.fee_rate(parameters, dlmm_fee.accumulated(parameters, references, calmest_id))
    kept = 1.0 - least / dlmm_fee.FEE_PRECISION
    return sqrt((price if token_in == 0 else 1.0 / price) * kept) * _FLOAT_MARGIN


def _kept_by_transfers(pool: TransferFeePool, token_in: TokenIndex) -> tuple[float, float]:
    """Return what is left of the input and of the output, at best."""
    fee_in, fee_out = pool.fees if token_in == 0 else pool.fees[::-1]
    most_out = U64_MAX
    if fee_out.basis_points and fee_out.maximum < U64_MAX:
        most_out = max(reserves(pool.inner)[1 - token_in], 1)
    return float(fee_in.kept_at_best(U64_MAX)), float(fee_out.kept_at_best(most_out))


def _taxed(part: Range, kept_in: float, kept_out: float) -> Range:
    turn, weight = sqrt(kept_in * kept_out), sqrt(kept_out / kept_in)
    return Range(
        part.start * turn,
        part.end * turn,
        part.liquidity * weight,
        part.amount_in / kept_in,
        part.amount_out * kept_out,
    )


def _cpmm(pool: CpmmPool, token_in: TokenIndex, now_s: int) -> Curve:
    fees = pool.fees
    unit = raydium_cpmm.FEE_RATE_DENOMINATOR
    if now_s < pool.open_time_s:
        return ()
    if fees.is_creator_fee_on_input(token_in):
        rate_in, rate_out = fees.trade_fee_rate + fees.creator_fee_rate, 0
        if rate_in == 0:
            return ()  # the program cannot trade without any fee
    else:
        rate_in, rate_out = fees.trade_fee_rate, fees.creator_fee_rate
    sides = (pool.reserve_0, pool.reserve_1) if token_in == 0 else (pool.reserve_1, pool.reserve_0)
    return _constant_product(*sides, kept_in=(unit - rate_in) / unit, kept_out=(unit - rate_out) / unit)


def _constant_product(reserve_in: int, reserve_out: int, *, kept_in: float, kept_out: float) -> Curve:
    # Rates of a trade fee and a creator fee may add up to more than everything.
    if not reserve_in or not reserve_out or kept_in <= 0.0 or kept_out <= 0.0:
        return ()
    root = sqrt(reserve_out / reserve_in * kept_in * kept_out)
    liquidity = sqrt(reserve_in * reserve_out * kept_out / kept_in)
    # The vault is a u64, which ends the curve: 1/end = 1/root + room/L.
    room = U64_MAX - reserve_in
    return (product_range(root=root, end=root / (1.0 + room * root / liquidity), liquidity=liquidity),)


def _dlmm(pool: DlmmPool, token_in: TokenIndex, now_s: int, stop_in: float, stop_out: float) -> Curve:
    parameters, bins = pool.parameters, pool.bins
    for_y = token_in == 0
    is_fee_on_input = parameters.collect_fee_mode is dlmm_fee.DlmmCollectFeeMode.INPUT or not for_y
    references = dlmm_fee.references_at(pool.volatility, parameters, pool.active_id, now_s)
    first = first_index(pool, for_y=for_y)
    ahead = range(first, -1, -1) if for_y else range(first, len(bins))
    parts: list[Range] = []
    taken = paid = 0.0
    bin_step = parameters.bin_step
    resting = pool.orders
    of_orders = {orders.bin_id: sum(orders.layers(for_y=for_y)) for orders in resting} if resting else None
    for index in ahead:
        bin_id, amount_x, amount_y = bins[index]
        available = amount_y if for_y else amount_x
        if of_orders:
            available += of_orders.get(bin_id, 0)
        if available == 0:
            continue
        price = bin_price(bin_id, bin_step) / ONE
        volatility = dlmm_fee.accumulated(parameters, references, bin_id)
        kept = 1.0 - dlmm_fee.fee_rate(parameters, volatility) / dlmm_fee.FEE_PRECISION
        amount_in = available / price if for_y else available * price
        amount_out = float(available)
        if is_fee_on_input:
            amount_in /= kept
        else:
            amount_out *= kept
        root = (amount_out / amount_in) ** 0.5
        parts.append(Range(root, root, inf, amount_in, amount_out))
        taken += amount_in
        paid += amount_out
        if taken > stop_in or paid > stop_out:
            break
    return concave_hull(parts) if len(parts) > 1 else parts


def _damm_v2(
    pool: DammV2Pool, token_in: TokenIndex, now_s: int, slot: int, stop_in: float, stop_out: float
) -> Curve:
    base = pool.fees.base
    point = pool.activation_type.point_at(now_s, slot)
    if isinstance(base, RateLimiterFee) and base.applies(point, pool.activation_point, token_in):
        return rate_limited(pool, base, stop_in, stop_out)
    kept = 1.0 - pool.fee_numerator_at(now_s, slot, token_in) / damm_v2_fee.FEE_DENOMINATOR
    kept_in, kept_out = (kept, 1.0) if pool.fees.is_on_input(token_in) else (1.0, kept)
    curve = pool.curve
    if isinstance(curve, CompoundingCurve):
        sides = curve.reserves() if token_in == 0 else curve.reserves()[::-1]
        return _constant_product(*sides, kept_in=kept_in, kept_out=kept_out)
    price, liquidity = curve.sqrt_price / ONE, curve.liquidity / ONE
    if token_in == 0:
        root, end = price, curve.sqrt_min_price / ONE
    else:
        root, end = 1.0 / price, ONE / curve.sqrt_max_price
    if not (liquidity and kept and root > end):
        return ()
    turn = sqrt(kept_in * kept_out)
    return (product_range(root=root * turn, end=end * turn, liquidity=liquidity * sqrt(kept_out / kept_in)),)


def _clmm(pool: ClmmPool, token_in: TokenIndex, now_s: int, stop_in: float, stop_out: float) -> Curve:
    if pool.open_time_s and now_s <= pool.open_time_s:
        return ()
    kept = sqrt(1.0 - pool.fees.trade_fee_rate / clmm_step.FEE_RATE_DENOMINATOR)
    falls = token_in == 0
    above = bisect_right(pool.ticks, pool.tick_current, key=_ID)
    ahead = range(above - 1, -1, -1) if falls else range(above, len(pool.ticks))
    parts: list[Range] = []
    taken = paid = 0.0
    root, liquidity = (pool.sqrt_price / ONE if falls else ONE / pool.sqrt_price), pool.liquidity
    for index in ahead:
        tick, net = pool.ticks[index]
        price = sqrt_price_at(tick)
        end = price / ONE if falls else ONE / price
        if liquidity and end < root:  # as in ``product_range``
            start, stop, depth = root * kept, end * kept, liquidity / kept
            amount_out = depth * (start - stop)
            amount_in = amount_out / (start * stop)
            parts.append(Range(start, stop, depth, amount_in, amount_out))
            taken += amount_in
            paid += amount_out
            if taken > stop_in or paid > stop_out:
                break
        root = end
        liquidity += -net if falls else net
    return parts
