"""Meteora DAMM v2 on chain: its account as a pool of ours, and the instruction that swaps with it.

After MeteoraAg/damm-v2@a3d3827 ``programs/cp-amm/src/state/pool.rs`` and ``instructions/swap/ix_swap.rs``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.adapters.solana.accounts import (
    Account,
    Accounts,
    Unsupported,
    UnsupportedPoolError,
    present,
    read_account,
    require,
)
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction, readonly, signer, u8, u64, writable
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.layouts import DAMM_V2_POOL
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.programs import INSTRUCTIONS_SYSVAR, instruction_discriminator
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import Mint, mint_of
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_base_fee import MarketCapFee, RateLimiterFee
from chalicelib.amm.damm_v2_curve import CompoundingCurve, ConcentratedCurve
from chalicelib.amm.damm_v2_fee import (
    BASIS_POINTS,
    FEE_DENOMINATOR,
    MAX_FEE_NUMERATOR_V0,
    MAX_FEE_NUMERATOR_V1,
    BaseFee,
    DammCollectFeeMode,
    DammV2Fees,
    DynamicFee,
    DynamicFeeParameters,
    SchedulerMode,
)
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.swaps import TokenIndex
from chalicelib.domain.swap_mode import SwapMode

_ENABLED: Final = 0
_PER_CENT: Final = 100
_RATE_LIMITER: Final = 2
_SWAP2: Final = instruction_discriminator("swap2")
_MODE: Final = {SwapMode.EXACT_IN: 0, SwapMode.EXACT_OUT: 2}
_COLLECT_FEE: Final = {
    0: DammCollectFeeMode.BOTH,
    1: DammCollectFeeMode.ONLY_B,
    2: DammCollectFeeMode.COMPOUNDING,
}
_MAX_FEE: Final = {0: MAX_FEE_NUMERATOR_V0, 1: MAX_FEE_NUMERATOR_V1}
_ACTIVATION: Final = {0: ActivationType.SLOT, 1: ActivationType.TIMESTAMP}


@dataclass(frozen=True, slots=True)
class DammV2Accounts:
    """A pool and what its instructions name.

    Attributes:
        limited: A purchase of A has to show that no instruction before it trades with this pool: the rate
            limiter applied when the pool was read.
    """

    program: Pubkey
    key: Pubkey
    mints: tuple[Mint, Mint]
    vaults: tuple[Pubkey, Pubkey]
    limited: bool
    state: DammV2Pool

    def is_limited(self, token_in: TokenIndex) -> bool:
        """Return whether the pool may be in a transaction only once,
        and other instructions must not name it.
        """
        return self.limited and token_in == 1

    def swap(self, terms: SwapTerms) -> Instruction:
        """Return the instruction ``swap2``."""
        none = readonly(self.program)  # stands for an optional account that is not there
        accounts = (
            readonly(derived(self.program, b"pool_authority")),
            writable(self.key),
            writable(terms.input_account),
            writable(terms.output_account),
            writable(self.vaults[0]),
            writable(self.vaults[1]),
            readonly(self.mints[0].key),
            readonly(self.mints[1].key),
            signer(terms.authority),
            readonly(self.mints[0].program),
            readonly(self.mints[1].program),
            none,  # a referral's account
            readonly(derived(self.program, b"__event_authority")),
            readonly(self.program),
            *([readonly(INSTRUCTIONS_SYSVAR)] if self.is_limited(terms.token_in) else []),
        )
        data = _SWAP2 + u64(terms.amount) + u64(terms.threshold) + u8(_MODE[terms.mode])
        return Instruction(self.program, accounts, data)


def needs(program: Pubkey, pool: Account) -> tuple[Pubkey, ...]:
    """Return what has to be read beside the pool; mints do not change much, so once is enough.

    Raises:
        UnsupportedPoolError: The account is no such pool.
    """
    keys = read_account(pool, DAMM_V2_POOL, program).keys
    return keys["token_a_mint"], keys["token_b_mint"]


def decode(program: Pubkey, key: Pubkey, accounts: Accounts, clock: ClockSysvar) -> DammV2Accounts:
    """Return the pool at an address.

    Raises:
        UnsupportedPoolError: It is no such pool, or not one to trade with.
        KeyError: Something that ``needs`` names was not read.
    """
    fields = read_account(present(accounts, key, "pool"), DAMM_V2_POOL, program)
    ints, keys, _ = fields
    _refuse_what_is_not_modelled(fields)
    mints = [mint_of(keys[name], present(accounts, keys[name], "mint")) for name in _MINTS]
    base = _base_fee(fields)
    activation_type = _ACTIVATION[ints["activation_type"]]
    point = activation_type.point_at(clock.unix_timestamp, clock.slot)
    state = DammV2Pool(
        _curve(fields),
        DammV2Fees(
            base,
            _COLLECT_FEE[ints["collect_fee_mode"]],
            ints["protocol_fee_percent"],
            _MAX_FEE[ints["fee_version"]],
            ints["compounding_fee_bps"],
        ),
        _dynamic_fee(fields),
        ints["activation_point"],
        activation_type,
    )
    return DammV2Accounts(
        program,
        key,
        (mints[0], mints[1]),
        (keys["token_a_vault"], keys["token_b_vault"]),
        isinstance(base, RateLimiterFee) and base.applies(point, ints["activation_point"], 1),
        state,
    )


_MINTS: Final = ("token_a_mint", "token_b_mint")


def _refuse_what_is_not_modelled(fields: Fields) -> None:
    ints = fields.ints
    if ints["pool_status"] != _ENABLED:
        raise UnsupportedPoolError(Unsupported.SWAP_DISABLED, f"pool_status {ints['pool_status']}")
    if ints["collect_fee_mode"] not in _COLLECT_FEE or ints["fee_version"] not in _MAX_FEE:
        modes = {name: ints[name] for name in ("collect_fee_mode", "fee_version")}
        raise UnsupportedPoolError(Unsupported.UNKNOWN_FEE_MODE, f"{modes}")
    if ints["activation_type"] not in _ACTIVATION:
        raise UnsupportedPoolError(Unsupported.UNKNOWN_LAYOUT, f"activation_type {ints['activation_type']}")
    is_dynamic = bool(ints["dyn_initialized"])
    require(
        ints,
        protocol_fee_percent=ints["protocol_fee_percent"] <= _PER_CENT,
        compounding_fee_bps=ints["compounding_fee_bps"] <= BASIS_POINTS,
        cliff_fee_numerator=ints["cliff_fee_numerator"] < FEE_DENOMINATOR,
        dyn_bin_step_u128=not is_dynamic or ints["dyn_bin_step_u128"] > 0,
        dyn_sqrt_price_reference=not is_dynamic or ints["dyn_sqrt_price_reference"] > 0,
    )


def _curve(fields: Fields) -> ConcentratedCurve | CompoundingCurve:
    ints = fields.ints
    if _COLLECT_FEE[ints["collect_fee_mode"]] is DammCollectFeeMode.COMPOUNDING:
        if not (ints["token_a_amount"] and ints["token_b_amount"]):
            raise UnsupportedPoolError(Unsupported.EMPTY, "a compounding pool that counts no tokens")
        return CompoundingCurve(ints["token_a_amount"], ints["token_b_amount"])
    if not ints["liquidity"]:
        raise UnsupportedPoolError(Unsupported.EMPTY, "liquidity 0")
    require(ints, sqrt_price=0 < ints["sqrt_min_price"] <= ints["sqrt_price"] <= ints["sqrt_max_price"])
    return ConcentratedCurve(
        ints["sqrt_price"], ints["liquidity"], ints["sqrt_min_price"], ints["sqrt_max_price"]
    )


def _base_fee(fields: Fields) -> BaseFee | RateLimiterFee | MarketCapFee:
    """The three u64 words behind the cliff mean something else in each mode: ``BaseFeeInfo``."""
    ints = fields.ints
    cliff, mode, last = ints["cliff_fee_numerator"], ints["base_fee_mode"], ints["base_u64"]
    middle = fields.blobs["base_8b"]
    low, high = int.from_bytes(middle[:4], "little"), int.from_bytes(middle[4:], "little")
    falls = SchedulerMode.EXPONENTIAL if mode in {1, 4} else SchedulerMode.LINEAR
    if mode != _RATE_LIMITER:
        _require_schedule(ints, falls)
    match mode:
        case 0 | 1:
            return BaseFee(cliff, ints["base_u16"], int.from_bytes(middle, "little"), last, falls)
        case 2:
            limiter = RateLimiterFee(cliff, ints["base_u16"], low, high, last)
            parts = (limiter.increment_bps, limiter.duration, limiter.max_fee_bps, limiter.reference_amount)
            most = min(limiter.max_numerator, FEE_DENOMINATOR - 1)
            require(ints, base_fee_mode=all(parts) and cliff <= most if any(parts) else True)
            return limiter
        case 3 | 4 if low and ints["init_sqrt_price"]:
            return MarketCapFee(cliff, ints["base_u16"], low, high, last, falls, ints["init_sqrt_price"])
        case _:
            raise UnsupportedPoolError(Unsupported.UNKNOWN_FEE_MODE, f"base_fee_mode {mode}")


def _require_schedule(ints: Mapping[str, int], falls: SchedulerMode) -> None:
    """The last period's rate is not below nothing."""
    periods, reduction = ints["base_u16"], ints["base_u64"]
    if falls is SchedulerMode.EXPONENTIAL:
        require(ints, base_u64=reduction <= BASIS_POINTS)
    else:
        require(ints, base_u64=reduction * periods <= ints["cliff_fee_numerator"])


def _dynamic_fee(fields: Fields) -> DynamicFee | None:
    ints = fields.ints
    if not ints["dyn_initialized"]:
        return None
    parameters = DynamicFeeParameters(
        bin_step=ints["dyn_bin_step"],
        bin_step_q64=ints["dyn_bin_step_u128"],
        variable_fee_control=ints["dyn_variable_fee_control"],
        max_volatility_accumulator=ints["dyn_max_volatility_accumulator"],
        filter_period=ints["dyn_filter_period"],
        decay_period=ints["dyn_decay_period"],
        reduction_factor=ints["dyn_reduction_factor"],
    )
    return DynamicFee(
        parameters,
        ints["dyn_volatility_accumulator"],
        ints["dyn_volatility_reference"],
        ints["dyn_sqrt_price_reference"],
        ints["dyn_last_update_timestamp"],
    )
