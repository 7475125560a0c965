"""Every pool kind behind one set of functions.

A ledger that keeps a pool's vaults needs nothing but results. Per token, the part of a vault
that backs the tradable reserves changes by what the trader paid or got and by the fees that
left it: ``protocol_fee``, ``fund_fee`` and ``lp_fee_outside`` in ``fee_token``,
``creator_fee`` in ``creator_fee_token``, and ``dust_out`` in the token that goes out. For
CPMM and DLMM it equals ``reserves``; the concentrated kinds, whose reserves are virtual, round
so that it always covers them.
"""

from chalicelib.amm import meteora_damm_v2, meteora_dlmm, raydium_clmm, raydium_cpmm
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import Swap, SwapResult, TokenIndex

Pool = CpmmPool | DlmmPool | DammV2Pool | ClmmPool


def swap(pool: Pool, request: Swap) -> tuple[SwapResult, Pool]:
    """Return what the swap moves and the pool after it; the given pool is unchanged.

    Raises:
        SwapRefusedError: The program would refuse the swap.
    """
    match pool:
        case CpmmPool():
            return raydium_cpmm.swap(pool, request)
        case DlmmPool():
            return meteora_dlmm.swap(pool, request)
        case DammV2Pool():
            return meteora_damm_v2.swap(pool, request)
        case ClmmPool():
            return raydium_clmm.swap(pool, request)


def reserves(pool: Pool) -> tuple[int, int]:
    """Return the tradable amounts of token 0 and token 1, fees kept outside excluded."""
    match pool:
        case CpmmPool():
            return raydium_cpmm.reserves(pool)
        case DlmmPool():
            return meteora_dlmm.reserves(pool)
        case DammV2Pool():
            return meteora_damm_v2.reserves(pool)
        case ClmmPool():
            return raydium_clmm.reserves(pool)


def spot_price(pool: Pool) -> tuple[int, int]:
    """Return token 1 base units per token 0 base unit, before fees, as (numerator, denominator)."""
    match pool:
        case CpmmPool():
            return raydium_cpmm.spot_price(pool)
        case DlmmPool():
            return meteora_dlmm.spot_price(pool)
        case DammV2Pool():
            return meteora_damm_v2.spot_price(pool)
        case ClmmPool():
            return raydium_clmm.spot_price(pool)


def marginal_out_per_in(pool: Pool, token_in: TokenIndex, timestamp_s: int, slot: int = 0) -> tuple[int, int]:
    """Return what the next unit in would buy after fees, as (out units, in units)."""
    match pool:
        case CpmmPool():
            return raydium_cpmm.marginal_out_per_in(pool, token_in, timestamp_s)
        case DlmmPool():
            return meteora_dlmm.marginal_out_per_in(pool, token_in, timestamp_s)
        case DammV2Pool():
            return meteora_damm_v2.marginal_out_per_in(pool, token_in, timestamp_s, slot)
        case ClmmPool():
            return raydium_clmm.marginal_out_per_in(pool, token_in, timestamp_s)
