"""Limit orders inside a DLMM bin: layers of liquidity that a swap fills after the bin's own.

Follows MeteoraAg/dlmm-sdk@fb02e51 ``commons/src/quote.rs`` and what the program 0.12.0 was seen to do.
A bin's own liquidity goes first, then the rest of the orders that earlier swaps began to fill, then
those no swap has reached yet; all at the bin's price. Once a swap reaches the last, what it leaves of them
is the rest that the next swap finds.
"""

from typing import Final, NamedTuple

from chalicelib.amm.dlmm_bin import FILLS, BinFill
from chalicelib.amm.dlmm_fee import fee_on_top, fee_within
from chalicelib.amm.dlmm_price import BASIS_POINTS
from chalicelib.amm.swaps import Refusal, SwapRefusedError

_ALL: Final = 1 << 128
"""More input than any bin takes."""
_TRIES: Final = 64
"""So many amounts in a row are rarely all refused, unless all are that end in that layer."""


class BinOrders(NamedTuple):
    """Orders that rest in a bin, all on one side.

    Attributes:
        processed_remaining: Left of the orders that are being filled.
        open_amount: Of the orders behind them.
        is_ask: They sell X, to swaps that bring Y; else they sell Y.
    """

    bin_id: int
    processed_remaining: int
    open_amount: int
    is_ask: bool

    def layers(self, *, for_y: bool) -> tuple[int, int]:
        """Return what a swap in this direction can take, in order."""
        return (0, 0) if for_y == self.is_ask else (self.processed_remaining, self.open_amount)

    def after(self, taken: tuple[int, int]) -> "BinOrders":
        """Return the orders after a swap took so much of each layer."""
        if not taken[1]:
            return self._replace(processed_remaining=self.processed_remaining - taken[0])
        return self._replace(processed_remaining=self.open_amount - taken[1], open_amount=0)


class LayeredFill(NamedTuple):
    """What one bin and its orders do for a swap.

    Attributes:
        whole: All layers together, as the trader sees them.
        own: The bin's own part, fees on the input aside: (in, out).
        taken: Of the two layers of orders.
        own_fee: The part of the fee that the bin's own liquidity earned.
        protocol_fee: The protocol's share of that, and half of what the orders earned.
    """

    whole: BinFill
    own: tuple[int, int]
    taken: tuple[int, int]
    own_fee: int
    protocol_fee: int


def fill_layers(
    request: tuple[int, bool],
    layers: tuple[int, int, int],
    in_per_out: tuple[int, int],
    rate: int,
    protocol_share_bps: int,
    *,
    is_fee_on_input: bool,
) -> LayeredFill:
    """Fill what is left of a request from a bin whose orders it may take.

    Args:
        request: What is left, and whether that is input (exact in).
        layers: What the bin itself, its processed and its open orders hold of the output.
        in_per_out: The price before fees, as (input units, output units).

    Raises:
        SwapRefusedError: An amount exceeds a u64; or the input that the program computes for
            an exact output does not buy that much, since it rounds up once where the layers do
            it one by one: ``UndeterminedError``.
    """
    remaining, is_exact_in = request
    total = sum(layers)
    whole_fee = 0 if is_fee_on_input else fee_within(total, rate)
    if not is_exact_in and remaining >= total - whole_fee:
        filled = _take_in(_ALL, layers, in_per_out, rate, is_fee_on_input=is_fee_on_input)
    elif not is_exact_in:
        whole = FILLS[False, is_fee_on_input](remaining, total, in_per_out, rate)
        filled = _take_in(whole.amount_in, layers, in_per_out, rate, is_fee_on_input=is_fee_on_input)
        if filled.whole.amount_in < whole.amount_in or filled.whole.amount_out < whole.amount_out:
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        dust = filled.whole.amount_out - whole.amount_out
        filled = filled._replace(whole=filled.whole._replace(amount_out=whole.amount_out, dust_out=dust))
    else:
        filled = _take_in(remaining, layers, in_per_out, rate, is_fee_on_input=is_fee_on_input)
    fee = filled.whole.fee
    own_share = filled.own_fee * protocol_share_bps // BASIS_POINTS
    of_orders = fee - filled.own_fee
    return filled._replace(protocol_fee=own_share + of_orders - of_orders // 2)


def most_payable(
    amount: int,
    layers: tuple[int, int, int],
    in_per_out: tuple[int, int],
    rate: int,
    *,
    is_fee_on_input: bool,
) -> int:
    """Return the most, up to an exact output that is less than all layers pay, that is not refused.

    Within the first layer that holds anything, nothing is refused: it rounds as the program does.
    """
    numerator, denominator = in_per_out
    total = sum(layers)
    begins = [0, layers[0], layers[0] + layers[1]]
    # By how much the layers before each round their input up, in parts of a unit of it.
    lost = [0]
    for layer in layers[:2]:
        lost.append(lost[-1] + -layer * numerator % denominator)
    tried = amount
    for begin, lost_before in zip(reversed(begins), reversed(lost), strict=True):
        least = begin if is_fee_on_input else begin - fee_within(begin, rate)
        if tried > least and lost_before < denominator:
            for _ in range(_TRIES):
                whole = FILLS[False, is_fee_on_input](tried, total, in_per_out, rate)
                filled = _take_in(whole.amount_in, layers, in_per_out, rate, is_fee_on_input=is_fee_on_input)
                paid = filled.whole.amount_out
                if paid >= tried:
                    return tried
                tried = min(paid, tried - 1)
                if tried <= least:
                    break
        tried = min(tried, least)
    return 0


def _take_in(
    remaining: int,
    layers: tuple[int, int, int],
    in_per_out: tuple[int, int],
    rate: int,
    *,
    is_fee_on_input: bool,
) -> LayeredFill:
    numerator, denominator = in_per_out
    needs = [-(-layer * numerator // denominator) for layer in layers]
    capacity = sum(needs)
    if is_fee_on_input:
        fee = fee_on_top(capacity, rate)
        amount_in = capacity + fee
        if remaining <= amount_in:
            amount_in, fee = remaining, fee_within(remaining, rate)
        net = amount_in - fee
    else:
        amount_in = net = min(remaining, capacity)
        fee = 0
    put: list[int] = []
    got: list[int] = []
    left = net
    for layer, need in zip(layers, needs, strict=True):
        part = min(left, need)
        put.append(part)
        got.append(layer if part == need else min(part * denominator // numerator, layer))
        left -= part
    gross_out = sum(got)
    if not is_fee_on_input:
        fee = fee_within(gross_out, rate)
    own_in = put[0]
    own_fee = -(-fee * own_in // net) if net else 0
    whole = BinFill(amount_in, gross_out if is_fee_on_input else gross_out - fee, fee)
    return LayeredFill(whole, (own_in + left, got[0]), (got[1], got[2]), own_fee, 0)
