"""Fees of a DLMM pool: a base rate and one that grows with recent volatility.

Follows MeteoraAg/dlmm-sdk@fb02e51 ``commons/src/extensions/lb_pair.rs``. The formula is published at
docs.meteora.ag/overview/products/dlmm/dlmm-fee-calculation.md.
"""

from enum import StrEnum
from typing import Final

from chalicelib.amm.dlmm_price import BASIS_POINTS
from chalicelib.values import value

FEE_PRECISION: Final = 10**9
FEE_RATE_MAX: Final = 10**8
VARIABLE_FEE_SCALE: Final = 10**11


class DlmmCollectFeeMode(StrEnum):
    INPUT = "input"
    ONLY_Y = "only_y"


@value
class DlmmParameters:
    """What never changes in a swap (``StaticParameters`` and the bin step).

    Attributes:
        bin_step: Price step from bin to bin, in basis points.
        base_factor: Base fee per bin step, in basis points.
        filter_period: Seconds within which volatility keeps adding up.
        decay_period: Seconds after which past volatility is forgotten.
        reduction_factor: What remains of volatility in between, in basis points.
        variable_fee_control: Weight of volatility in the fee; 0 turns it off.
        protocol_share_bps: Of the fee.
    """

    bin_step: int
    base_factor: int
    filter_period: int
    decay_period: int
    reduction_factor: int
    variable_fee_control: int
    max_volatility_accumulator: int
    protocol_share_bps: int
    base_fee_power_factor: int = 0
    collect_fee_mode: DlmmCollectFeeMode = DlmmCollectFeeMode.INPUT


@value
class DlmmVolatility:
    """What the fee remembers (``VariableParameters``); one bin of movement counts 10^4."""

    volatility_accumulator: int = 0
    volatility_reference: int = 0
    index_reference: int = 0
    last_update_timestamp: int = 0


def references_at(
    volatility: DlmmVolatility, parameters: DlmmParameters, active_id: int, timestamp_s: int
) -> tuple[int, int]:
    """Return (volatility reference, index reference) at the start of a swap: ``update_references``."""
    elapsed = timestamp_s - volatility.last_update_timestamp
    if elapsed < parameters.filter_period:
        return volatility.volatility_reference, volatility.index_reference
    if elapsed < parameters.decay_period:
        return volatility.volatility_accumulator * parameters.reduction_factor // BASIS_POINTS, active_id
    return 0, active_id


def accumulated(parameters: DlmmParameters, references: tuple[int, int], bin_id: int) -> int:
    """Return the volatility accumulator in a bin: ``update_volatility_accumulator``."""
    volatility_reference, index_reference = references
    moved = volatility_reference + abs(index_reference - bin_id) * BASIS_POINTS
    return min(moved, parameters.max_volatility_accumulator)


def fee_rate(parameters: DlmmParameters, volatility_accumulator: int) -> int:
    """Return the total rate in parts per 10^9, capped: ``get_total_fee``."""
    scale: int = 10 ** (parameters.base_fee_power_factor + 1)
    rate = parameters.base_factor * parameters.bin_step * scale
    if parameters.variable_fee_control:
        moved = volatility_accumulator * parameters.bin_step
        rate += -(-parameters.variable_fee_control * moved * moved // VARIABLE_FEE_SCALE)
    return min(rate, FEE_RATE_MAX)


def fee_within(amount: int, rate: int) -> int:
    """Return the fee contained in an amount, rounded up: ``compute_fee_from_amount``."""
    return -(-amount * rate // FEE_PRECISION)


def fee_on_top(amount: int, rate: int) -> int:
    """Return the fee to add to an amount, rounded up: ``compute_fee``."""
    return -(-amount * rate // (FEE_PRECISION - rate))
