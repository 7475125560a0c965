"""Meteora DLMM: liquidity in bins of constant price, and a fee that follows volatility.

Follows MeteoraAg/dlmm-sdk@fb02e51 ``commons/src``: ``quote.rs`` (walk over the bins) and
``extensions/bin.rs`` (one bin). Where the SDK's quote and the program differ, the program
is followed (found by running it): ``last_update_timestamp`` moves only when the active bin
changes, and what the last bin of an exact-out swap gives beyond the amount wanted
(``dust_out``) is a protocol fee while fees are taken on the output, and belongs to none otherwise.
Limit orders inside bins fill after the bins' own liquidity (``dlmm_orders``).

Books: no fee stays in the bins. The protocol part and the LP part (``lp_fee_outside``) are
both due from the vaults, outside the tradable reserves, and so is the dust::

    Σ bins_in  += amount_in - (trade_fee, if on the input)
    Σ bins_out -= amount_out + dust_out + (trade_fee, if on the output)
"""

from bisect import bisect_left
from collections.abc import Callable
from operator import itemgetter
from typing import Final

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.dlmm_bin import FILLS, Bin, BinFill, bin_after
from chalicelib.amm.dlmm_fee import (
    FEE_PRECISION,
    DlmmCollectFeeMode,
    DlmmParameters,
    DlmmVolatility,
    accumulated,
    fee_rate,
    references_at,
)
from chalicelib.amm.dlmm_orders import BinOrders, fill_layers
from chalicelib.amm.dlmm_price import BASIS_POINTS, bin_price
from chalicelib.amm.q64 import ONE
from chalicelib.amm.swaps import U64_MAX, Exact, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex
from chalicelib.values import value

__all__ = [
    "Bin",
    "BinOrders",
    "DlmmPool",
    "available",
    "first_index",
    "marginal_out_per_in",
    "reserves",
    "spot_price",
    "swap",
]

_BIN_ID: Final = itemgetter(0)


@value
class DlmmPool:
    """A pool's bins, in ascending order of id; ids that are absent are empty.

    A swap replaces the bins it crosses and shares all others with the state before, so
    ``before is after`` tells in one comparison whether a bin changed.

    Attributes:
        activation_point: Where trading opens; 0 for pairs that open at once (all but pair types 1 and 2).
        activation_type: What that point counts.
        is_enabled: False while the pair's status closes it.
        orders: Limit orders, in ascending order of their bins' ids; each of these bins is in ``bins``.
    """

    parameters: DlmmParameters
    active_id: int
    bins: tuple[Bin, ...]
    volatility: DlmmVolatility
    activation_point: int = 0
    activation_type: ActivationType = ActivationType.TIMESTAMP
    is_enabled: bool = True
    orders: tuple[BinOrders, ...] = ()

    def is_open_at(self, timestamp_s: int, slot: int) -> bool:
        """Return whether the program allows swaps at all: ``LbPair::is_swap_enabled``."""
        return self.is_enabled and self.activation_type.point_at(timestamp_s, slot) >= self.activation_point


def swap(pool: DlmmPool, request: Swap) -> tuple[SwapResult, DlmmPool]:
    """Return what the swap moves and the pool after it; the cost grows with the bins crossed.

    Raises:
        SwapRefusedError: Nothing would be paid out, the bins run out, an amount exceeds a
            u64, or the pair is not open.
    """
    point = request.slot if pool.activation_type is ActivationType.SLOT else request.timestamp_s
    if point < pool.activation_point or not pool.is_enabled:
        raise SwapRefusedError(Refusal.NOT_OPEN)
    parameters = pool.parameters
    is_fee_on_input = parameters.collect_fee_mode is DlmmCollectFeeMode.INPUT or request.token_in == 1
    references = references_at(pool.volatility, parameters, pool.active_id, request.timestamp_s)
    result, active_id, accumulator, bins, taken_from = _walked(
        pool, request, references, is_fee_on_input=is_fee_on_input
    )
    if result.amount_out == 0:
        raise SwapRefusedError(Refusal.ZERO_OUTPUT)
    if result.amount_in > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)

    moved_at = pool.volatility.last_update_timestamp if active_id == pool.active_id else request.timestamp_s
    orders = pool.orders
    if taken_from:
        left = (taken_from.get(resting.bin_id, resting) for resting in orders)
        orders = tuple(resting for resting in left if resting.processed_remaining or resting.open_amount)
    # Named one by one: ``replace`` takes a good part of a short swap's time.
    return result, DlmmPool(
        parameters,
        active_id,
        bins,
        DlmmVolatility(accumulator, *references, moved_at),
        pool.activation_point,
        pool.activation_type,
        pool.is_enabled,
        orders,
    )


def reserves(pool: DlmmPool) -> tuple[int, int]:
    """Return the sums of X and of Y over all bins, and of what their limit orders sell."""
    x, y = sum(held.amount_x for held in pool.bins), sum(held.amount_y for held in pool.bins)
    for resting in pool.orders:
        amount = resting.processed_remaining + resting.open_amount
        x, y = (x + amount, y) if resting.is_ask else (x, y + amount)
    return x, y


def available(pool: DlmmPool, *, for_y: bool) -> Callable[[Bin], int]:
    """Return what tells how much a bin and its orders can pay in a direction."""
    if not pool.orders:
        return itemgetter(2 if for_y else 1)
    layers = {resting.bin_id: sum(resting.layers(for_y=for_y)) for resting in pool.orders}
    return lambda held: (held.amount_y if for_y else held.amount_x) + layers.get(held.bin_id, 0)


def spot_price(pool: DlmmPool) -> tuple[int, int]:
    """Return Y per X in the active bin, before fees, as (numerator, denominator)."""
    return bin_price(pool.active_id, pool.parameters.bin_step), ONE


def marginal_out_per_in(pool: DlmmPool, token_in: TokenIndex, timestamp_s: int) -> tuple[int, int]:
    """Return the price after fees in the first bin a swap would use, as (out, in); (0, 1) if none."""
    for_y = token_in == 0
    first = first_index(pool, for_y=for_y)
    ahead = range(first, -1, -1) if for_y else range(first, len(pool.bins))
    parameters = pool.parameters
    references = references_at(pool.volatility, parameters, pool.active_id, timestamp_s)
    available_in = available(pool, for_y=for_y)
    for index in ahead:
        held = pool.bins[index]
        if available_in(held) == 0:
            continue
        price = bin_price(held.bin_id, parameters.bin_step)
        kept = FEE_PRECISION - fee_rate(parameters, accumulated(parameters, references, held.bin_id))
        return (price * kept, ONE * FEE_PRECISION) if for_y else (ONE * kept, price * FEE_PRECISION)
    return 0, 1


def _walked(
    pool: DlmmPool, request: Swap, references: tuple[int, int], *, is_fee_on_input: bool
) -> tuple[SwapResult, int, int, tuple[Bin, ...], dict[int, BinOrders]]:
    """Fill the request bin by bin, from the active bin in the swap's direction.

    Returns:
        What the swap moves, the last bin and the volatility there, all bins after it, and the orders taken
        from, by bin, as they are after it.
    """
    parameters, bins, token_in = pool.parameters, pool.bins, request.token_in
    for_y = token_in == 0
    is_exact_in = request.mode is Exact.IN
    fill_bin = FILLS[is_exact_in, is_fee_on_input]
    first, step = first_index(pool, for_y=for_y), -1 if for_y else 1
    index, active_id, accumulator = first, pool.active_id, 0
    amount_in = amount_out = fee = protocol_fee = dust_out = 0
    crossed: list[Bin] = []
    taken_from: dict[int, BinOrders] = {}
    resting = _takable(pool.orders, for_y=for_y) if pool.orders else {}
    remaining = request.amount
    while remaining:
        if not 0 <= index < len(bins):
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        held = bins[index]
        index += step
        bin_id, amount_x, amount_y = held
        own = amount_y if for_y else amount_x
        if own == 0 and bin_id not in resting:
            crossed.append(held)
            continue
        active_id, accumulator = bin_id, accumulated(parameters, references, bin_id)
        price = bin_price(bin_id, parameters.bin_step)
        in_per_out = (ONE, price) if for_y else (price, ONE)
        rate = fee_rate(parameters, accumulator)
        if bin_id not in resting:
            fill = fill_bin(remaining, own, in_per_out, rate)
            protocol_fee += fill.fee * parameters.protocol_share_bps // BASIS_POINTS
            crossed.append(bin_after(held, fill, for_y=for_y, is_fee_on_input=is_fee_on_input))
        else:
            orders = resting[bin_id]
            filled = fill_layers(
                (remaining, is_exact_in),
                (own, *orders.layers(for_y=for_y)),
                in_per_out,
                rate,
                parameters.protocol_share_bps,
                is_fee_on_input=is_fee_on_input,
            )
            fill = filled.whole
            protocol_fee += filled.protocol_fee
            taken_from[bin_id] = orders.after(filled.taken)
            moved = BinFill(*filled.own, 0)
            crossed.append(bin_after(held, moved, for_y=for_y, is_fee_on_input=True))
        fill_in, fill_out, fill_fee, fill_dust = fill
        amount_in += fill_in
        amount_out += fill_out
        fee += fill_fee
        dust_out += fill_dust
        remaining -= fill_in if is_exact_in else fill_out
    result = SwapResult(
        amount_in,
        amount_out,
        fee,
        protocol_fee,
        token_in if is_fee_on_input else 1,
        lp_fee_outside=fee - protocol_fee,
        dust_out=dust_out,
    )
    if for_y:
        crossed.reverse()
        first = index + 1
    bins_after = (*bins[:first], *crossed, *bins[first + len(crossed) :])
    return result, active_id, accumulator, bins_after, taken_from


def _takable(orders: tuple[BinOrders, ...], *, for_y: bool) -> dict[int, BinOrders]:
    return {resting.bin_id: resting for resting in orders if any(resting.layers(for_y=for_y))}


def first_index(pool: DlmmPool, *, for_y: bool) -> int:
    """Return the index of the bin at which a swap starts, which may be none: the active one,
    or the next one held.
    """
    bins, active_id = pool.bins, pool.active_id
    if bins:
        # Most pools hold every bin between their outermost.
        guess = active_id - bins[0].bin_id
        if 0 <= guess < len(bins) and bins[guess].bin_id == active_id:
            return guess
    if for_y:
        return bisect_left(bins, active_id + 1, key=_BIN_ID) - 1
    return bisect_left(bins, active_id, key=_BIN_ID)
