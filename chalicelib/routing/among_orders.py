"""Exact outputs that would end among the limit orders of a DLMM pool, some of which its program refuses.

The program computes the input for an exact output once for all that a bin and its orders pay, and rounds up
for each of them (``amm.dlmm_orders``). So of what ends among the orders some amounts can be had and others
cannot, often every few units; and where the rounding adds up to a unit of input, none can.
"""

from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Final

from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, accumulated, fee_rate, fee_within, references_at
from chalicelib.amm.dlmm_orders import most_payable
from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.meteora_dlmm import DlmmPool, first_index
from chalicelib.amm.pools import Pool, TransferFeePool
from chalicelib.amm.q64 import ONE
from chalicelib.amm.swaps import SwapRefusedError, TokenIndex

TRIES: Final = 16
"""So many amounts in a row are asked for: more than a unit in buys of most pairs, where others come again."""
GIVERS: Final = 3
"""So many parts exchange units with each other; more would be as many swaps as their square."""
_NO_LAYERS: Final = (0, 0)


def has_orders(pool: Pool) -> bool:
    """Return whether limit orders rest in a pool."""
    inner = pool.inner if isinstance(pool, TransferFeePool) else pool
    return isinstance(inner, DlmmPool) and bool(inner.orders)


def payable(pool: Pool, token_in: TokenIndex, amount_out: int, now_s: int) -> int:
    """Return the most, up to an exact output, that does not end where the pool's program refuses it for the
    orders there.

    What the pool does not hold, or refuses for another reason, is no matter of this.
    """
    try:
        if isinstance(pool, TransferFeePool):
            return _payable_after_fee(pool, token_in, amount_out, now_s)
        if isinstance(pool, DlmmPool) and pool.orders:
            return _payable(pool, token_in, amount_out, now_s)
    except SwapRefusedError:  # a price or an amount does not fit the program's integers
        pass
    return amount_out


def _payable(pool: DlmmPool, token_in: TokenIndex, amount_out: int, now_s: int) -> int:
    for_y, bins, parameters = token_in == 0, pool.bins, pool.parameters
    is_fee_on_input = parameters.collect_fee_mode is DlmmCollectFeeMode.INPUT or not for_y
    references = references_at(pool.volatility, parameters, pool.active_id, now_s)
    resting = {orders.bin_id: orders.layers(for_y=for_y) for orders in pool.orders}
    first, left = first_index(pool, for_y=for_y), amount_out
    for index in range(first, -1, -1) if for_y else range(first, len(bins)):
        bin_id, amount_x, amount_y = bins[index]
        layers = (amount_y if for_y else amount_x, *resting.get(bin_id, _NO_LAYERS))
        whole = sum(layers)
        if not whole:
            continue
        paid, rate = whole, 0
        if left < whole or not is_fee_on_input:
            rate = fee_rate(parameters, accumulated(parameters, references, bin_id))
            paid -= 0 if is_fee_on_input else fee_within(whole, rate)
        if left < paid:
            price = bin_price(bin_id, parameters.bin_step)
            in_per_out = (ONE, price) if for_y else (price, ONE)
            ends_at = most_payable(left, layers, in_per_out, rate, is_fee_on_input=is_fee_on_input)
            return amount_out - left + ends_at
        left -= paid
        if not left:
            break
    return amount_out


def _payable_after_fee(pool: TransferFeePool, token_in: TokenIndex, amount_out: int, now_s: int) -> int:
    fee, wanted = pool.fees[1 - token_in], amount_out
    for _ in range(TRIES):
        sent = fee.to_deliver(wanted)
        found = payable(pool.inner, token_in, sent, now_s)
        if found == sent:
            return wanted
        wanted = min(wanted - 1, found - fee.of(found))
        if wanted <= 0:
            break
    return 0


def settled(
    parts: Sequence[int], limits: Sequence[float], most: Callable[[int, int], int], pools: int
) -> list[int]:
    """Return parts of the same sum, none of which is refused for the orders of a pool; the same if none are
    found.

    What one cannot pay others do: as few as can be, and rather such as are in use.

    Args:
        limits: The most that each may pay.
        most: Given which part it is and an amount, returns the most up to that amount that is not refused.
        pools: So many of the parts, the first, are pools'; these may exchange a few units.
    """
    whole = [most(place, part) for place, part in enumerate(parts)]
    left = sum(parts) - sum(whole)
    kept = [each == part for each, part in zip(whole, parts, strict=True)]
    takers = sorted(
        range(len(whole)), key=lambda each: (not whole[each], not kept[each], whole[each] - limits[each])
    )
    for place in takers:
        if not left:
            return whole
        taken = most(place, min(whole[place] + left, int(limits[place]))) - whole[place]
        if taken > 0:
            whole[place] += taken
            left -= taken
    if not left:
        return whole
    for giver, taker in permutations([each for each in takers if each < pools][:GIVERS], 2):
        given = whole[giver]
        for _ in range(TRIES):
            wanted = whole[taker] + left + whole[giver] - given
            if given <= 0 or wanted > limits[taker]:
                break
            if most(taker, wanted) == wanted:
                whole[giver], whole[taker] = given, wanted
                return whole
            given = most(giver, given - 1)
    return list(parts)
