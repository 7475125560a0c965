"""One bin of a DLMM pool: constant price, filled in part or whole.

Follows MeteoraAg/dlmm-sdk@fb02e51 ``commons/src/extensions/bin.rs`` (``Bin::swap``) and, for
exact out, ``commons/src/quote.rs``.
"""

from typing import Final, NamedTuple

from chalicelib.amm.dlmm_fee import fee_on_top, fee_within
from chalicelib.amm.swaps import U64_MAX, Refusal, SwapRefusedError


class Bin(NamedTuple):
    bin_id: int
    amount_x: int
    amount_y: int


class BinFill(NamedTuple):
    """What one bin does for a swap; both amounts are the trader's, fees included."""

    amount_in: int
    amount_out: int
    fee: int
    dust_out: int = 0  # given beyond the amount wanted, by rounding


def bin_after(held: Bin, fill: BinFill, *, for_y: bool, is_fee_on_input: bool) -> Bin:
    """Return the bin after a fill; fees stay out of it.

    Raises:
        SwapRefusedError: An amount would exceed a u64.
    """
    added, removed, fee, dust = fill
    removed += dust
    if is_fee_on_input:
        added -= fee
    else:
        removed += fee
    bin_id, amount_x, amount_y = held
    if for_y:
        amount_x, amount_y = amount_x + added, amount_y - removed
    else:
        amount_x, amount_y = amount_x - removed, amount_y + added
    if amount_x > U64_MAX or amount_y > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return Bin(bin_id, amount_x, amount_y)


# Each fill takes what is left of the request, what the bin holds of the output, the price before
# fees as (input units, output units), and the fee rate. Rounding favours the bin throughout.


def _exact_in_fee_on_input(remaining: int, available: int, in_per_out: tuple[int, int], rate: int) -> BinFill:
    numerator, denominator = in_per_out
    capacity = _u64(-(-available * numerator // denominator))
    if remaining > capacity:
        capacity_fee = fee_on_top(capacity, rate)
        if remaining > capacity + capacity_fee:
            return BinFill(capacity + capacity_fee, available, capacity_fee)
    fee = fee_within(remaining, rate)
    return BinFill(remaining, min((remaining - fee) * denominator // numerator, available), fee)


def _exact_in_fee_on_output(
    remaining: int, available: int, in_per_out: tuple[int, int], rate: int
) -> BinFill:
    numerator, denominator = in_per_out
    capacity = _u64(-(-available * numerator // denominator))
    amount_in = min(remaining, capacity)
    gross_out = min(amount_in * denominator // numerator, available)
    fee = fee_within(gross_out, rate)
    return BinFill(amount_in, gross_out - fee, fee)


def _exact_out_fee_on_input(
    remaining: int, available: int, in_per_out: tuple[int, int], rate: int
) -> BinFill:
    numerator, denominator = in_per_out
    amount_out = min(remaining, available)
    net_in = _u64(-(-amount_out * numerator // denominator))
    fee = fee_on_top(net_in, rate)
    delivered = min(net_in * denominator // numerator, available)
    return BinFill(net_in + fee, amount_out, fee, delivered - amount_out)


def _exact_out_fee_on_output(
    remaining: int, available: int, in_per_out: tuple[int, int], rate: int
) -> BinFill:
    numerator, denominator = in_per_out
    whole_fee = fee_within(available, rate)
    if remaining >= available - whole_fee:
        amount_in = _u64(-(-available * numerator // denominator))
        return BinFill(amount_in, available - whole_fee, whole_fee)
    gross_out = remaining + fee_on_top(remaining, rate)
    amount_in = _u64(-(-gross_out * numerator // denominator))
    # The program runs this input as exact in: one unit of it may move several of the output, all with a fee.
    delivered = min(amount_in * denominator // numerator, available)
    fee = fee_within(delivered, rate)
    return BinFill(amount_in, remaining, fee, delivered - fee - remaining)


FILLS: Final = {  # by (is exact in, is the fee on the input)
    (True, True): _exact_in_fee_on_input,
    (True, False): _exact_in_fee_on_output,
    (False, True): _exact_out_fee_on_input,
    (False, False): _exact_out_fee_on_output,
}


def _u64(amount: int) -> int:
    if amount > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return amount
