"""Every pool kind behind one set of functions, and any of them with tokens that take a fee per transfer.

A ledger that keeps a pool's vaults needs nothing but results. Per token, the part of a vault that backs the
tradable reserves changes by what the trader paid or got and by what left on the way: ``transfer_fee_in``
and ``transfer_fee_out`` in the tokens that came and went, ``protocol_fee``, ``fund_fee`` and
``lp_fee_outside`` in ``fee_token``, ``creator_fee`` in ``creator_fee_token``, and ``dust_out`` in the token
that goes out. For CPMM and DLMM it equals ``reserves``; the concentrated kinds, whose reserves are
virtual, round so that it always covers them.
"""

from dataclasses import dataclass, replace

from chalicelib.amm import meteora_damm_v2, meteora_dlmm, raydium_clmm, raydium_cpmm
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.amm.swaps import Exact, Refusal, Swap, SwapRefusedError, SwapResult, TokenIndex
from chalicelib.amm.transfer_fee import BASIS_POINTS, TransferFee

ProgramPool = CpmmPool | DlmmPool | DammV2Pool | ClmmPool


@dataclass(frozen=True, slots=True)
class TransferFeePool:
    """A pool with a Token-2022 mint that takes a fee from transfers (``transfer_fee``).

    All four programs work on what arrives in the vault, and the trader gets what is sent less the fee: a swap
    is the same swap of ``inner``, with the fees off its input before and off its output after it.

    Attributes:
        fees: Of token 0 and token 1, in the epoch of the swap.
    """

    inner: ProgramPool
    fees: tuple[TransferFee, TransferFee]


Pool = ProgramPool | TransferFeePool


def swap(pool: Pool, request: Swap) -> tuple[SwapResult, Pool]:
    """Return what the swap moves and the pool after it; the given pool is unchanged.

    Raises:
        SwapRefusedError: The program would refuse the swap.
    """
    match pool:
        case DlmmPool():
            return meteora_dlmm.swap(pool, request)
        case ClmmPool():
            return raydium_clmm.swap(pool, request)
        case DammV2Pool():
            return meteora_damm_v2.swap(pool, request)
        case CpmmPool():
            return raydium_cpmm.swap(pool, request)
        case TransferFeePool():
            return _swap_with_transfer_fees(pool, request)


def reserves(pool: Pool) -> tuple[int, int]:
    """Return the tradable amounts of token 0 and token 1, fees kept outside excluded,
    transfer fees included.
    """
    match pool:
        case CpmmPool():
            return raydium_cpmm.reserves(pool)
        case DlmmPool():
            return meteora_dlmm.reserves(pool)
        case DammV2Pool():
            return meteora_damm_v2.reserves(pool)
        case ClmmPool():
            return raydium_clmm.reserves(pool)
        case TransferFeePool():
            return reserves(pool.inner)


def spot_price(pool: Pool) -> tuple[int, int]:
    """Return token 1 base units per token 0 base unit, before fees, as (numerator, denominator)."""
    match pool:
        case DlmmPool():
            return meteora_dlmm.spot_price(pool)
        case ClmmPool():
            return raydium_clmm.spot_price(pool)
        case DammV2Pool():
            return meteora_damm_v2.spot_price(pool)
        case CpmmPool():
            return raydium_cpmm.spot_price(pool)
        case TransferFeePool():
            return spot_price(pool.inner)


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
        case TransferFeePool():
            out, paid = marginal_out_per_in(pool.inner, token_in, timestamp_s, slot)
            kept = [BASIS_POINTS - fee.basis_points for fee in pool.fees]
            return out * kept[0] * kept[1], paid * BASIS_POINTS * BASIS_POINTS


def _swap_with_transfer_fees(pool: TransferFeePool, request: Swap) -> tuple[SwapResult, TransferFeePool]:
    fee_in, fee_out = pool.fees if request.token_in == 0 else pool.fees[::-1]
    if request.mode is Exact.IN:
        arriving = request.amount - fee_in.of(request.amount)
        if arriving == 0:
            raise SwapRefusedError(Refusal.ZERO_OUTPUT)
        result, after = swap(pool.inner, replace(request, amount=arriving))
    else:
        result, after = swap(pool.inner, replace(request, amount=fee_out.to_deliver(request.amount)))
    assert not isinstance(after, TransferFeePool), "a program's pool stays one"
    amount_in = request.amount if request.mode is Exact.IN else fee_in.to_deliver(result.amount_in)
    withheld_out = fee_out.of(result.amount_out)
    amount_out = result.amount_out - withheld_out
    if amount_out == 0:
        raise SwapRefusedError(Refusal.ZERO_OUTPUT)
    result = result._replace(
        amount_in=amount_in,
        amount_out=amount_out,
        transfer_fee_in=amount_in - result.amount_in,
        transfer_fee_out=withheld_out,
    )
    return result, replace(pool, inner=after)
