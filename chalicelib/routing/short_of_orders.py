"""A DLMM pool's curve up to limit orders in which no exact output may end.

The program computes the input for an exact output once for all that a bin and its orders pay, and rounds up
for each of them (``amm.dlmm_orders``): most outputs that end among the orders are refused. What ends in the
bin's own liquidity, before them, is not.
"""

from dataclasses import replace

from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, accumulated, fee_rate, fee_within, references_at
from chalicelib.amm.meteora_dlmm import DlmmPool, first_index
from chalicelib.amm.pools import Pool, TransferFeePool
from chalicelib.amm.swaps import SwapRefusedError, TokenIndex


def short_of_orders(pool: Pool, token_in: TokenIndex, amount_out: int, now_s: int) -> Pool | None:
    """Return a pool as if it held no more than comes before the orders among which an output ends.

    None if it ends among none.
    """
    if isinstance(pool, TransferFeePool):
        try:
            sent = pool.fees[1 - token_in].to_deliver(amount_out)
        except SwapRefusedError:
            return None
        inner = short_of_orders(pool.inner, token_in, sent, now_s)
        return None if inner is None or isinstance(inner, TransferFeePool) else replace(pool, inner=inner)
    if not isinstance(pool, DlmmPool) or not pool.orders:
        return None
    for_y, bins = token_in == 0, pool.bins
    resting = {orders.bin_id: sum(orders.layers(for_y=for_y)) for orders in pool.orders}
    first, left = first_index(pool, for_y=for_y), amount_out
    for index in range(first, -1, -1) if for_y else range(first, len(bins)):
        held = bins[index]
        own, of_orders = (held.amount_y if for_y else held.amount_x), resting.get(held.bin_id, 0)
        if left < _paid(pool, token_in, held.bin_id, own + of_orders, now_s):
            if left <= _paid(pool, token_in, held.bin_id, own, now_s):
                return None
            kept = bins[index:] if for_y else bins[: index + 1]
            passed = tuple(
                orders
                for orders in pool.orders
                if (orders.bin_id > held.bin_id if for_y else orders.bin_id < held.bin_id)
            )
            return replace(pool, bins=kept, orders=passed)
        left -= _paid(pool, token_in, held.bin_id, own + of_orders, now_s)
    return None


def _paid(pool: DlmmPool, token_in: TokenIndex, bin_id: int, gross: int, now_s: int) -> int:
    """Return what is left of a bin's output after its fee."""
    parameters = pool.parameters
    if parameters.collect_fee_mode is DlmmCollectFeeMode.INPUT or token_in == 1:
        return gross
    references = references_at(pool.volatility, parameters, pool.active_id, now_s)
    return gross - fee_within(gross, fee_rate(parameters, accumulated(parameters, references, bin_id)))
