"""How far a landed swap moved its pool's price, fees aside, from its program's event.

An event tells either the price before (CPMM by its vaults, DLMM by its bin) or the price after (CLMM, DAMM
v2). Along a curve of constant liquidity a swap trades at the geometric mean of both, so that either is
enough. Where it crossed ticks that is an estimate, as far off as liquidity differs between them.
"""

from typing import Final

from chalicelib.adapters.solana.events import SwapEvent
from chalicelib.adapters.solana.programs import SwapProgram
from chalicelib.amm.damm_v2_fee import DammCollectFeeMode
from chalicelib.amm.dlmm_price import bin_price
from chalicelib.amm.swaps import SwapRefusedError
from chalicelib.domain.prices import bps_text

UNKNOWN: Final = "0.00"
_ONE: Final = 1 << 64
_COMPOUNDING: Final = list(DammCollectFeeMode).index(DammCollectFeeMode.COMPOUNDING)


def impact_bps(event: SwapEvent, *, is_fee_on_input: bool, bin_step: int | None = None) -> str:
    """Return how much worse than the price before a swap traded because of its own size, to two decimals.

    Args:
        bin_step: Of a DLMM pair, None if it is not known; then, and where a build tells no fee, nothing is.
    """
    ints = event.fields.ints
    match event.program:
        case SwapProgram.CPMM:
            on_output = 0 if ints.get("creator_fee_on_input", 1) else ints.get("creator_fee", 0)
            # x * y = k: what the price falls by is the part of the vault that leaves it.
            return _bps(ints["output_amount"] + on_output, ints["output_vault_before"])
        case SwapProgram.CLMM:
            if event.trade_fee is None:
                return UNKNOWN
            is_first_in = bool(ints["zero_for_one"])
            given, got = ("0", "1") if is_first_in else ("1", "0")
            net_in = ints[f"amount_{given}"] - event.trade_fee
            gross_out = ints[f"amount_{got}"] + ints[f"transfer_fee_{got}"]
            return _from_price_after(ints["sqrt_price_x64"], net_in, gross_out, is_first_in=is_first_in)
        case SwapProgram.DAMM_V2:
            is_first_in = ints["trade_direction"] == 0
            gross_out = ints["output"] + (0 if is_fee_on_input else event.trade_fee or 0)
            if ints["collect_fee_mode"] == _COMPOUNDING:
                # x * y = k again, and what of the fee stays in the reserve has changed the price since.
                left = gross_out - (0 if is_fee_on_input else ints["compounding_fee"])
                return _bps(gross_out, ints["reserve_b" if is_first_in else "reserve_a"] + left)
            return _from_price_after(
                ints["next_sqrt_price"], ints["excluded_fee_input"], gross_out, is_first_in=is_first_in
            )
        case SwapProgram.DLMM:
            fee = event.trade_fee or 0
            net_in = ints["amount_in"] - (fee if is_fee_on_input else 0)
            gross_out = ints["amount_out"] + (0 if is_fee_on_input else fee)
            is_first_in = bool(ints["swap_for_y"])
            return _from_bin(ints["start_bin_id"], bin_step, net_in, gross_out, is_first_in=is_first_in)


def _from_price_after(sqrt_price: int, net_in: int, gross_out: int, *, is_first_in: bool) -> str:
    price, one = sqrt_price * sqrt_price, _ONE * _ONE
    best, real = (gross_out * one, net_in * price) if is_first_in else (gross_out * price, net_in * one)
    return _bps(best - real, best)


def _from_bin(bin_id: int, bin_step: int | None, net_in: int, gross_out: int, *, is_first_in: bool) -> str:
    if bin_step is None:
        return UNKNOWN
    try:
        price = bin_price(bin_id, bin_step)
    except SwapRefusedError:
        return UNKNOWN
    best, real = (net_in * price, gross_out * _ONE) if is_first_in else (net_in * _ONE, gross_out * price)
    return _bps(best - real, best)


def _bps(part: int, whole: int) -> str:
    """Return a ratio; rounding may favour a tiny trade by a unit, which is no negative impact."""
    return bps_text(part, whole) if part > 0 and whole > 0 else UNKNOWN
