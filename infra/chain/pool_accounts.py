"""Pools at real layouts and addresses, from the states of the project's maths."""

from dataclasses import dataclass, field

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layouts import (
    CLMM_BITMAP_EXTENSION,
    CLMM_CONFIG,
    CLMM_POOL,
    CLMM_TICK_ARRAY,
    CPMM_CONFIG,
    CPMM_POOL,
    DAMM_V2_POOL,
    DLMM_BIN_ARRAY,
    DLMM_ORACLE,
    DLMM_PAIR,
)
from chalicelib.adapters.solana.meteora_dlmm import BINS_PER_ARRAY, bin_array_of
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.programs import PROGRAM_IDS, TOKEN, Cluster, account_discriminator
from chalicelib.adapters.solana.raydium_clmm import TICKS_PER_ARRAY, extension_of, tick_array_of
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.damm_v2_curve import CompoundingCurve
from chalicelib.amm.damm_v2_fee import MAX_FEE_NUMERATOR_V0, BaseFee, DammCollectFeeMode, SchedulerMode
from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool
from infra.chain.encoding import anchor_account, mint_account, rent, token_account

_IDS = PROGRAM_IDS[Cluster.MAINNET]
_OBSERVATION_BYTES = {_IDS.cpmm: 4075, _IDS.clmm: 4483}
_MIDDLE = 512
_CUSTOMIZABLE = 2
_BIN_BYTES, _BINS_AT, _TICK_BYTES, _TICKS_AT = 144, 56, 168, 44


@dataclass(frozen=True, slots=True)
class Side:
    """A token of a pool: its mint, its decimals, and what the pool's vault holds of it."""

    mint: Pubkey
    decimals: int
    amount: int


@dataclass(slots=True)
class PoolAccounts:
    """A pool's address and every account that belongs to it."""

    key: Pubkey
    accounts: dict[Pubkey, Account] = field(default_factory=dict)


def cpmm_accounts(state: CpmmPool, sides: tuple[Side, Side], config_index: int) -> PoolAccounts:
    """Return a CPMM pool.

    Its vaults hold the reserves, nothing is owed yet. Mints in the order of their bytes.
    """
    program = _IDS.cpmm
    mints = [side.mint for side in sides]
    assert mints[0] < mints[1], "the program orders mints"
    config = derived(program, b"amm_config", config_index.to_bytes(2, "big"))
    key = derived(program, b"pool", config, *mints)
    authority = derived(program, b"vault_and_lp_mint_auth_seed")
    vaults = [derived(program, b"pool_vault", key, mint) for mint in mints]
    lp_mint = derived(program, b"pool_lp_mint", key)
    observation = derived(program, b"observation", key)
    fees = state.fees
    pool = PoolAccounts(key)
    pool.accounts[config] = anchor_account(
        CPMM_CONFIG,
        program,
        {
            "index": config_index,
            "trade_fee_rate": fees.trade_fee_rate,
            "protocol_fee_rate": fees.protocol_fee_rate,
            "fund_fee_rate": fees.fund_fee_rate,
            "creator_fee_rate": fees.creator_fee_rate,
        },
    )
    pool.accounts[key] = anchor_account(
        CPMM_POOL,
        program,
        {
            "amm_config": config,
            "pool_creator": authority,
            "token_0_vault": vaults[0],
            "token_1_vault": vaults[1],
            "lp_mint": lp_mint,
            "token_0_mint": mints[0],
            "token_1_mint": mints[1],
            "token_0_program": TOKEN,
            "token_1_program": TOKEN,
            "observation_key": observation,
            "lp_mint_decimals": 9,
            "mint_0_decimals": sides[0].decimals,
            "mint_1_decimals": sides[1].decimals,
            "open_time": state.open_time_s,
            "enable_creator_fee": fees.creator_fee_rate > 0,
        },
    )
    pool.accounts[lp_mint] = mint_account(authority, 9, 0)
    pool.accounts[observation] = _observation(program, key, 11)
    _fill(pool, vaults, sides, authority)
    return pool


def clmm_accounts(
    state: ClmmPool, sides: tuple[Side, Side], config_index: int, tick_spacing: int
) -> PoolAccounts:
    """Return a CLMM pool with its tick arrays; mints in the order of their bytes."""
    program = _IDS.clmm
    mints = [side.mint for side in sides]
    assert mints[0] < mints[1], "the program orders mints"
    config = derived(program, b"amm_config", config_index.to_bytes(2, "big"))
    key = derived(program, b"pool", config, *mints)
    vaults = [derived(program, b"pool_vault", key, mint) for mint in mints]
    observation = derived(program, b"observation", key)
    pool = PoolAccounts(key)
    pool.accounts[config] = anchor_account(
        CLMM_CONFIG,
        program,
        {
            "index": config_index,
            "trade_fee_rate": state.fees.trade_fee_rate,
            "protocol_fee_rate": state.fees.protocol_fee_rate,
            "fund_fee_rate": state.fees.fund_fee_rate,
            "tick_spacing": tick_spacing,
        },
    )
    arrays: dict[int, bytearray] = {}
    width = tick_spacing * TICKS_PER_ARRAY
    for tick, net in state.ticks:
        index = tick // width
        data = arrays.setdefault(index, _tick_array(key, index * width))
        at = _TICKS_AT + (tick - index * width) // tick_spacing * _TICK_BYTES
        data[at : at + 4] = tick.to_bytes(4, "little", signed=True)
        data[at + 4 : at + 20] = net.to_bytes(16, "little", signed=True)
        data[at + 20 : at + 36] = abs(net).to_bytes(16, "little")
        data[10124] += 1
    for index, data in arrays.items():
        address = tick_array_of(program, key, index * width)
        pool.accounts[address] = Account(program, rent(len(data)), bytes(data))
    pool.accounts[key] = anchor_account(
        CLMM_POOL,
        program,
        {
            "amm_config": config,
            "token_mint_0": mints[0],
            "token_mint_1": mints[1],
            "token_vault_0": vaults[0],
            "token_vault_1": vaults[1],
            "observation_key": observation,
            "mint_decimals_0": sides[0].decimals,
            "mint_decimals_1": sides[1].decimals,
            "tick_spacing": tick_spacing,
            "liquidity": state.liquidity,
            "sqrt_price_x64": state.sqrt_price,
            "tick_current": state.tick_current,
            "tick_array_bitmap": _bitmap(arrays),
            "open_time": state.open_time_s,
        },
    )
    extension = {"pool_id": key, "positive": b"", "negative": b""}
    pool.accounts[extension_of(program, key)] = anchor_account(CLMM_BITMAP_EXTENSION, program, extension)
    pool.accounts[observation] = _observation(program, key, 19)
    _fill(pool, vaults, sides, key)
    return pool


def dlmm_accounts(state: DlmmPool, sides: tuple[Side, Side]) -> PoolAccounts:
    """Return a DLMM pair with its bin arrays."""
    program = _IDS.dlmm
    parameters, volatility = state.parameters, state.volatility
    mints = [side.mint for side in sides]
    seeds = (
        parameters.bin_step.to_bytes(2, "little"),
        parameters.base_factor.to_bytes(2, "little"),
    )
    key = derived(program, *sorted(mints), *seeds)
    reserves = [derived(program, key, mint) for mint in mints]
    oracle = derived(program, b"oracle", key)
    pool = PoolAccounts(key)
    arrays: dict[int, bytearray] = {}
    for bin_id, amount_x, amount_y in state.bins:
        index = bin_id // BINS_PER_ARRAY
        data = arrays.setdefault(index, _bin_array(key, index))
        at = _BINS_AT + bin_id % BINS_PER_ARRAY * _BIN_BYTES
        data[at : at + 16] = amount_x.to_bytes(8, "little") + amount_y.to_bytes(8, "little")
        data[at + 32 : at + 48] = (amount_x + amount_y).to_bytes(16, "little")
    for index, data in arrays.items():
        pool.accounts[bin_array_of(program, key, index)] = Account(program, rent(len(data)), bytes(data))
    modes = {DlmmCollectFeeMode.INPUT: 0, DlmmCollectFeeMode.ONLY_Y: 1}
    pool.accounts[key] = anchor_account(
        DLMM_PAIR,
        program,
        {
            "base_factor": parameters.base_factor,
            "filter_period": parameters.filter_period,
            "decay_period": parameters.decay_period,
            "reduction_factor": parameters.reduction_factor,
            "variable_fee_control": parameters.variable_fee_control,
            "max_volatility_accumulator": parameters.max_volatility_accumulator,
            "min_bin_id": -443_636,
            "max_bin_id": 443_636,
            "protocol_share": parameters.protocol_share_bps,
            "base_fee_power_factor": parameters.base_fee_power_factor,
            "function_type": 1,
            "collect_fee_mode": modes[parameters.collect_fee_mode],
            "volatility_accumulator": volatility.volatility_accumulator,
            "volatility_reference": volatility.volatility_reference,
            "index_reference": volatility.index_reference,
            "last_update_timestamp": volatility.last_update_timestamp,
            "bin_step_seed": seeds[0],
            "base_factor_seed": seeds[1],
            "active_id": state.active_id,
            "bin_step": parameters.bin_step,
            "token_x_mint": mints[0],
            "token_y_mint": mints[1],
            "reserve_x": reserves[0],
            "reserve_y": reserves[1],
            "oracle": oracle,
            "bin_array_bitmap": _bitmap(arrays),
            "version": 1,
            # Only such a pair says when it opens; the others do with their first swap.
            "pair_type": _CUSTOMIZABLE if state.activation_point else 0,
            "activation_point": state.activation_point,
            "activation_type": int(state.activation_type is ActivationType.TIMESTAMP),
        },
    )
    pool.accounts[oracle] = anchor_account(DLMM_ORACLE, program, {"length": 100})
    _fill(pool, reserves, sides, key)
    return pool


def damm_v2_accounts(state: DammV2Pool, sides: tuple[Side, Side], number: int) -> PoolAccounts:
    """Return a DAMM v2 pool with a scheduled base fee; another number is another pool of the same mints."""
    program = _IDS.damm_v2
    mints = [side.mint for side in sides]
    own = [number.to_bytes(2, "little")] if number else []
    key = derived(program, b"cpool", max(mints), min(mints), *own)
    authority = derived(program, b"pool_authority")
    vaults = [derived(program, b"token_vault", mint, key) for mint in mints]
    curve, base = state.curve, state.fees.base
    assert isinstance(base, BaseFee), "no other base fee is made here"
    values: dict[str, int | bytes] = {
        "cliff_fee_numerator": base.cliff_fee_numerator,
        "base_fee_mode": int(base.mode is SchedulerMode.EXPONENTIAL),
        "base_u16": base.number_of_period,
        "base_8b": base.period_frequency.to_bytes(8, "little"),
        "base_u64": base.reduction_factor,
        "protocol_fee_percent": state.fees.protocol_fee_percent,
        "compounding_fee_bps": state.fees.compounding_fee_bps,
        "init_sqrt_price": curve.sqrt_price,
        "token_a_mint": mints[0],
        "token_b_mint": mints[1],
        "token_a_vault": vaults[0],
        "token_b_vault": vaults[1],
        "sqrt_price": curve.sqrt_price,
        "activation_point": state.activation_point,
        "activation_type": int(state.activation_type is ActivationType.TIMESTAMP),
        "collect_fee_mode": [
            DammCollectFeeMode.BOTH,
            DammCollectFeeMode.ONLY_B,
            DammCollectFeeMode.COMPOUNDING,
        ].index(state.fees.collect_fee_mode),
        "fee_version": int(state.fees.max_fee_numerator != MAX_FEE_NUMERATOR_V0),
        "token_a_amount": sides[0].amount,
        "token_b_amount": sides[1].amount,
        "layout_version": 1,
        "creator": authority,
    }
    if not isinstance(curve, CompoundingCurve):
        values |= {
            "liquidity": curve.liquidity,
            "sqrt_min_price": curve.sqrt_min_price,
            "sqrt_max_price": curve.sqrt_max_price,
        }
    if state.dynamic_fee is not None:
        dynamic, parameters = state.dynamic_fee, state.dynamic_fee.parameters
        values |= {
            "dyn_initialized": 1,
            "dyn_max_volatility_accumulator": parameters.max_volatility_accumulator,
            "dyn_variable_fee_control": parameters.variable_fee_control,
            "dyn_bin_step": parameters.bin_step,
            "dyn_filter_period": parameters.filter_period,
            "dyn_decay_period": parameters.decay_period,
            "dyn_reduction_factor": parameters.reduction_factor,
            "dyn_last_update_timestamp": dynamic.last_update_timestamp,
            "dyn_bin_step_u128": parameters.bin_step_q64,
            "dyn_sqrt_price_reference": dynamic.sqrt_price_reference,
            "dyn_volatility_accumulator": dynamic.volatility_accumulator,
            "dyn_volatility_reference": dynamic.volatility_reference,
        }
    pool = PoolAccounts(key)
    pool.accounts[key] = anchor_account(DAMM_V2_POOL, program, values)
    _fill(pool, vaults, sides, authority)
    return pool


def _fill(pool: PoolAccounts, vaults: list[Pubkey], sides: tuple[Side, Side], owner: Pubkey) -> None:
    for vault, side in zip(vaults, sides, strict=True):
        pool.accounts[vault] = token_account(side.mint, owner, side.amount)


def _bitmap(arrays: dict[int, bytearray]) -> bytes:
    bits = 0
    for index in arrays:
        assert -_MIDDLE <= index < _MIDDLE, "beyond the bitmap that a pool itself has"
        bits |= 1 << index + _MIDDLE
    return bits.to_bytes(128, "little")


def _tick_array(pool: Pubkey, start: int) -> bytearray:
    data = bytearray(CLMM_TICK_ARRAY.length)
    data[:8] = account_discriminator(CLMM_TICK_ARRAY.name)
    data[8:40] = pool
    data[40:44] = start.to_bytes(4, "little", signed=True)
    return data


def _bin_array(pair: Pubkey, index: int) -> bytearray:
    data = bytearray(DLMM_BIN_ARRAY.length)
    data[:8] = account_discriminator(DLMM_BIN_ARRAY.name)
    data[8:16] = index.to_bytes(8, "little", signed=True)
    data[16] = 1
    data[24:56] = pair
    return data


def _observation(program: Pubkey, pool: Pubkey, pool_at: int) -> Account:
    data = bytearray(_OBSERVATION_BYTES[program])
    data[:8] = account_discriminator("ObservationState")
    data[8] = 1
    data[pool_at : pool_at + 32] = pool
    return Account(program, rent(len(data)), bytes(data))
