"""Meteora DAMM v2's swap instructions, carried out with the project's verified maths.

After MeteoraAg/damm-v2@a3d3827 ``instructions/swap/ix_swap.rs``. What liquidity providers are owed, which
no quote needs, is left as it is. Referrals and partial fills are refused: no swap of ours asks
for either.
"""

from typing import Final

from chalicelib.adapters.solana import meteora_damm_v2
from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.layouts import DAMM_V2_POOL
from chalicelib.adapters.solana.meteora_damm_v2 import DammV2Accounts
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.pool_reading import tradable
from chalicelib.adapters.solana.programs import (
    INSTRUCTIONS_SYSVAR,
    event_discriminator,
    instruction_discriminator,
)
from chalicelib.amm.damm_v2_curve import CompoundingCurve
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.pools import TransferFeePool, swap
from chalicelib.amm.swaps import Exact, Refusal, SwapRefusedError, SwapResult, TokenIndex
from infra.chain.amm.anchor import (
    Arguments,
    Call,
    Executed,
    Overlay,
    Patch,
    ProgramError,
    numbers,
    owned,
    token_account,
    u64s,
)
from infra.chain.amm.movements import Places, balances, transfers

_NAMES: Final = (
    "pool_authority",
    "pool",
    "input_token_account",
    "output_token_account",
    "token_a_vault",
    "token_b_vault",
    "token_a_mint",
    "token_b_mint",
    "payer",
    "token_a_program",
    "token_b_program",
    "referral_token_account",
    "event_authority",
    "program",
)
_SWAP, _SWAP2 = instruction_discriminator("swap"), instruction_discriminator("swap2")
_EXACT_IN, _EXACT_OUT = 0, 2
_TAG: Final = bytes.fromhex("e445a52e51cb9a1d")
_EVENT: Final = event_discriminator("EvtSwap2")
_UPDATED_AT, _PRICE_REFERENCE_AT, _ACCUMULATOR_AT, _REFERENCE_AT = 80, 104, 120, 136
_PROTOCOL_FEES_AT, _AMOUNTS_AT, _SQRT_PRICE_AT = (392, 400), (680, 688), 456
_ALL_LP_FEES_AT, _ALL_PROTOCOL_FEES_AT = (568, 584), (600, 608)
_UNITS, _UNITS_WITH_TRANSFER_FEE = 18_700, 25_000

_DISABLED: Final = ProgramError("PoolDisabled", 6003, "Pool disabled")
_SLIPPAGE: Final = ProgramError("ExceededSlippage", 6002, "Exceeded slippage tolerance")
_RANGE: Final = ProgramError("PriceRangeViolation", 6015, "Trade is over price range")
_NOT_SINGLE: Final = ProgramError(
    "FailToValidateSingleSwapInstruction",
    6049,
    "Fail to validate single swap instruction in rate limiter",
)


def is_swap(data: bytes) -> bool:
    """Return whether the data begins as one of the instructions that are carried out here."""
    return data[:8] in {_SWAP, _SWAP2}


def execute(
    instruction: Instruction, overlay: Overlay, clock: ClockSysvar, *, is_single: bool = True
) -> Executed:
    """Return what the instruction does.

    Args:
        is_single: No instruction before it in the transaction names the pool.

    Raises:
        ProgramError: It fails.
    """
    program, data = instruction.program, instruction.data
    first, second = numbers(data, 8, 8, 8)
    kind = numbers(data, 24, 1)[0] if data[:8] == _SWAP2 else _EXACT_IN
    if kind not in {_EXACT_IN, _EXACT_OUT}:
        raise ProgramError("InvalidInstructionData", None, f"swap mode {kind} is not modelled by this chain")
    accounts = Arguments(instruction, _NAMES)
    _checked(accounts, overlay, program)
    pool = _decoded(accounts, overlay, program, clock)
    mint_in = token_account(overlay, accounts.key("input_token_account"), "input_token_account").mint
    mints = tuple(mint.key for mint in pool.mints)
    if mint_in not in mints:
        raise ProgramError(
            "ConstraintTokenMint", 2014, "A token mint constraint was violated", "input_token_account"
        )
    token_in: TokenIndex = 0 if mint_in == mints[0] else 1
    if first == 0:
        raise ProgramError("AmountIsZero", 6006, "Amount is zero")
    call = Call(token_in, Exact.IN if kind == _EXACT_IN else Exact.OUT, first, second)
    sysvar = next((meta.key for meta in accounts.rest), None)
    if pool.is_limited(token_in) and not (sysvar == INSTRUCTIONS_SYSVAR and is_single):
        raise _NOT_SINGLE
    try:
        result, after = swap(tradable(pool, clock.epoch), call.request(clock))
    except SwapRefusedError as e:
        raise _refused(e, pool.state) from e
    if call.is_beyond_threshold(result):
        raise _SLIPPAGE
    state = after.inner if isinstance(after, TransferFeePool) else after
    assert isinstance(state, DammV2Pool), "a pool stays of its kind"
    account = overlay(pool.key)
    assert account is not None, "it was decoded"
    fields = DAMM_V2_POOL.read(account.data)
    data_after = _after(account, fields, call, result, state)
    has_fee = bool(result.transfer_fee_in or result.transfer_fee_out)
    places = _places(accounts, pool, token_in)
    return Executed(
        "Swap" if data[:8] == _SWAP else "Swap2",
        transfers(places, (pool.mints[token_in], pool.mints[1 - token_in]), result),
        {pool.key: data_after},
        balances(overlay, places.vaults, result),
        cpi_events=(_event(accounts, call, result, (fields, DAMM_V2_POOL.read(data_after)), clock),),
        units=_UNITS_WITH_TRANSFER_FEE if has_fee else _UNITS,
    )


def _checked(accounts: Arguments, overlay: Overlay, program: Pubkey) -> None:
    accounts.is_key(pool_authority=derived(program, b"pool_authority"))
    keys = owned(overlay(accounts.key("pool")), DAMM_V2_POOL, program, "pool").keys
    accounts.has_one(
        token_a_vault=keys["token_a_vault"],
        token_b_vault=keys["token_b_vault"],
        token_a_mint=keys["token_a_mint"],
        token_b_mint=keys["token_b_mint"],
    )
    accounts.signs("payer")
    accounts.writes("pool", "input_token_account", "output_token_account", "token_a_vault", "token_b_vault")
    for side in ("a", "b"):
        mint = overlay(keys[f"token_{side}_mint"])
        if mint is not None:
            accounts.is_key(**{f"token_{side}_program": mint.owner})
    accounts.seeds(event_authority=derived(program, b"__event_authority"))
    accounts.is_key(program=program)
    if accounts.key("referral_token_account") != program:
        raise ProgramError("InvalidInstructionData", None, "referrals are not modelled by this chain")


def _decoded(accounts: Arguments, overlay: Overlay, program: Pubkey, clock: ClockSysvar) -> DammV2Accounts:
    key = accounts.key("pool")
    read = {
        accounts.key(name): overlay(accounts.key(name)) for name in ("pool", "token_a_mint", "token_b_mint")
    }
    try:
        return meteora_damm_v2.decode(program, key, read, clock)
    except UnsupportedPoolError as e:
        if e.reason is Unsupported.SWAP_DISABLED:
            raise _DISABLED from e
        raise ProgramError("InvalidAccountData", None, f"not modelled by this chain: {e}") from e


def _places(accounts: Arguments, pool: DammV2Accounts, token_in: TokenIndex) -> Places:
    return Places(
        accounts.key("payer"),
        accounts.key("pool_authority"),
        (accounts.key("input_token_account"), accounts.key("output_token_account")),
        (pool.vaults[token_in], pool.vaults[1 - token_in]),
    )


def _after(account: Account, fields: Fields, call: Call, result: SwapResult, state: DammV2Pool) -> bytes:
    patch = Patch(account.data)
    patch.put(_SQRT_PRICE_AT, state.curve.sqrt_price, 16)
    if fields.ints["layout_version"]:
        # What the pool counts as its own: all that came and went, less the fees that are owed to others.
        moved = [0, 0]
        moved[call.token_in] += result.amount_in - result.transfer_fee_in
        moved[1 - call.token_in] -= result.amount_out + result.transfer_fee_out
        moved[result.fee_token] -= result.protocol_fee + result.lp_fee_outside
        for at, more in zip(_AMOUNTS_AT, moved, strict=True):
            patch.add(at, more)
    patch.add(_PROTOCOL_FEES_AT[result.fee_token], result.protocol_fee)
    patch.add(_ALL_LP_FEES_AT[result.fee_token], result.trade_fee - result.protocol_fee, 16)
    patch.add(_ALL_PROTOCOL_FEES_AT[result.fee_token], result.protocol_fee)
    if state.dynamic_fee is not None:
        patch.put(_UPDATED_AT, state.dynamic_fee.last_update_timestamp, 8)
        patch.put(_PRICE_REFERENCE_AT, state.dynamic_fee.sqrt_price_reference, 16)
        patch.put(_ACCUMULATOR_AT, state.dynamic_fee.volatility_accumulator, 16)
        patch.put(_REFERENCE_AT, state.dynamic_fee.volatility_reference, 16)
    return patch.done()


def _refused(e: SwapRefusedError, pool: DammV2Pool) -> ProgramError:
    match e.refusal:
        case Refusal.NOT_OPEN:
            return _DISABLED
        case Refusal.ZERO_OUTPUT:
            return _SLIPPAGE
        case Refusal.INSUFFICIENT_LIQUIDITY:
            if isinstance(pool.curve, CompoundingCurve):
                return ProgramError("MathOverflow", 6000, "Math operation overflow")
            return _RANGE


def _event(
    accounts: Arguments, call: Call, result: SwapResult, around: tuple[Fields, Fields], clock: ClockSysvar
) -> bytes:
    before, after = (fields.ints for fields in around)
    exact_in = call.mode is Exact.IN
    given = result.amount_in - result.transfer_fee_in
    net = given - result.trade_fee if result.fee_token == call.token_in else given
    gross_out = result.amount_out + result.transfer_fee_out
    # Between the protocol's part and what the pool owes, compounding pools keep some of the fee for the
    # curve.
    compounded = result.trade_fee - result.protocol_fee - result.lp_fee_outside
    return (
        _TAG
        + _EVENT
        + accounts.key("pool")
        + bytes([call.token_in, before["collect_fee_mode"], 0])
        + u64s(call.amount, call.threshold)
        + bytes([_EXACT_IN if exact_in else _EXACT_OUT])
        + u64s(given, net, 0, gross_out)
        + after["sqrt_price"].to_bytes(16, "little")
        + u64s(result.lp_fee_outside, result.protocol_fee, compounded, 0)
        + u64s(result.amount_in, gross_out, result.amount_out)
        + u64s(clock.unix_timestamp, after["token_a_amount"], after["token_b_amount"])
    )
