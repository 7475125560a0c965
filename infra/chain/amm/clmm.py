"""Raydium CLMM's swap instructions, carried out with the project's verified maths.

After raydium-io/raydium-clmm@03b44b7 ``instructions/swap{,_v2}.rs``; errors have the numbers of May 2026. Fee
growth, reward growth and the observation account, which no quote needs, are left as they are. A swap that its
price limit would end early is refused; pools with limit orders, a dynamic fee or a fee on one token need the
real program.
"""

from typing import Final

from chalicelib.adapters.solana import raydium_clmm
from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.bitmaps import raydium_bitmap
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.layouts import CLMM_BITMAP_EXTENSION, CLMM_CONFIG, CLMM_POOL, CLMM_TICK_ARRAY
from chalicelib.adapters.solana.pool_reading import tradable
from chalicelib.adapters.solana.programs import (
    MEMO,
    TOKEN,
    TOKEN_2022,
    event_discriminator,
    instruction_discriminator,
)
from chalicelib.adapters.solana.raydium_clmm import ClmmAccounts
from chalicelib.amm.pools import TransferFeePool, swap
from chalicelib.amm.raydium_clmm import ClmmPool
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

_SWAP, _SWAP_V2 = instruction_discriminator("swap"), instruction_discriminator("swap_v2")
_COMMON: Final = (
    "payer",
    "amm_config",
    "pool_state",
    "input_token_account",
    "output_token_account",
    "input_vault",
    "output_vault",
    "observation_state",
    "token_program",
)
_NAMES: Final = {
    _SWAP: _COMMON,
    _SWAP_V2: (*_COMMON, "token_program_2022", "memo_program", "input_vault_mint", "output_vault_mint"),
}
_EVENT: Final = event_discriminator("SwapEvent")
_LIQUIDITY_AT, _SQRT_PRICE_AT, _TICK_AT = 237, 253, 269
_PROTOCOL_FEES_AT, _FUND_FEES_AT = (309, 317), (1064, 1072)
_RECENT_EPOCH_AT: Final = 1088
_EXTENSION_BYTES, _ARRAY_BYTES = CLMM_BITMAP_EXTENSION.length, CLMM_TICK_ARRAY.length
_DEFAULT_ARRAYS: Final = 512
_UNITS, _UNITS_PER_ARRAY = 58_000, 9_000

_NOT_APPROVED: Final = ProgramError("NotApproved", 6000, "Not approved")
_TOO_SMALL: Final = ProgramError(
    "TooSmallInputOrOutputAmount", 6022, "Swap input or output amount is too small"
)
_NO_ARRAY: Final = ProgramError("NotEnoughTickArrayAccount", 6023, "Not enought tick array account")
_NO_EXTENSION: Final = ProgramError(
    "MissingTickArrayBitmapExtensionAccount", 6035, "Missing tickarray bitmap extension account"
)
_DRY: Final = ProgramError("LiquidityInsufficient", 6016, "Liquidity insufficient")


def is_swap(data: bytes) -> bool:
    """Return whether the data begins as one of the instructions that are carried out here."""
    return data[:8] in _NAMES


def execute(instruction: Instruction, overlay: Overlay, clock: ClockSysvar) -> Executed:
    """Return what the instruction does.

    Raises:
        ProgramError: It fails.
    """
    program, data = instruction.program, instruction.data
    amount, threshold, limit, is_base_input = numbers(data, 8, 8, 8, 16, 1)
    accounts = Arguments(instruction, _NAMES[data[:8]])
    token_in, fields = _checked(accounts, overlay, program)
    mode = Exact.IN if is_base_input else Exact.OUT
    call = Call(token_in, mode, amount, threshold)
    key = accounts.key("pool_state")
    if amount == 0:
        raise ProgramError("ZeroAmountSpecified", 6020, "Swap special amount can not be zero")
    pool, passed = _decoded(accounts, overlay, program, clock, fields)
    if pool.state.open_time_s and clock.unix_timestamp <= pool.state.open_time_s:
        raise ProgramError("RequireGtViolated", 2505, "A require_gt expression was violated")
    if not pool.arrays[token_in] and passed and _is_in_default_bitmap(fields):
        raise ProgramError("InvalidFirstTickArrayAccount", 6024, "Invalid first tick array account")
    try:
        result, after = swap(tradable(pool, clock.epoch), call.request(clock))
    except SwapRefusedError as e:
        raise _refused(e, pool, overlay, token_in) from e
    if call.is_beyond_threshold(result):
        raise _slippage(mode)
    state = after.inner if isinstance(after, TransferFeePool) else after
    assert isinstance(state, ClmmPool), "a pool stays of its kind"
    if limit and (state.sqrt_price < limit if token_in == 0 else state.sqrt_price > limit):
        raise ProgramError("InvalidInstructionData", None, "a limit that ends a swap early is not modelled")
    pool_account = overlay(key)
    assert pool_account is not None, "it was decoded"
    return _executed(accounts, overlay, pool, call, (result, state), (pool_account, clock))


def _executed(
    accounts: Arguments,
    overlay: Overlay,
    pool: ClmmAccounts,
    call: Call,
    outcome: tuple[SwapResult, ClmmPool],
    where: tuple[Account, ClockSysvar],
) -> Executed:
    result, state = outcome
    account, clock = where
    mints = pool.mints if call.token_in == 0 else pool.mints[::-1]
    vaults = [token_account(overlay, accounts.key(name), name) for name in ("input_vault", "output_vault")]
    places = Places(
        accounts.key("payer"),
        vaults[1].owner,
        (accounts.key("input_token_account"), accounts.key("output_token_account")),
        (accounts.key("input_vault"), accounts.key("output_vault")),
    )
    patch = Patch(account.data)
    patch.put(_LIQUIDITY_AT, state.liquidity, 16)
    patch.put(_SQRT_PRICE_AT, state.sqrt_price, 16)
    patch.put(_TICK_AT, state.tick_current, 4, signed=True)
    patch.add(_PROTOCOL_FEES_AT[result.fee_token], result.protocol_fee)
    patch.add(_FUND_FEES_AT[result.fee_token], result.fund_fee)
    patch.put(_RECENT_EPOCH_AT, clock.epoch, 8)
    return Executed(
        "SwapV2" if len(accounts.names) > len(_COMMON) else "Swap",
        transfers(places, mints, result),
        {pool.key: patch.done()},
        balances(overlay, places.vaults, result),
        log_events=(_event(accounts, call, result, state),),
        units=_UNITS + _UNITS_PER_ARRAY * len(pool.arrays[call.token_in]),
    )


def _checked(accounts: Arguments, overlay: Overlay, program: Pubkey) -> tuple[TokenIndex, Fields]:
    accounts.signs("payer")
    fields = owned(overlay(accounts.key("pool_state")), CLMM_POOL, program, "pool_state")
    owned(overlay(accounts.key("amm_config")), CLMM_CONFIG, program, "amm_config")
    keys = fields.keys
    accounts.is_key(amm_config=keys["amm_config"], observation_state=keys["observation_key"])
    accounts.writes(
        "pool_state",
        "input_token_account",
        "output_token_account",
        "input_vault",
        "output_vault",
        "observation_state",
    )
    accounts.is_key(token_program=TOKEN)
    vaults = keys["token_vault_0"], keys["token_vault_1"]
    given = (accounts.key("input_vault"), accounts.key("output_vault"))
    if given not in {vaults, vaults[::-1]}:
        raise ProgramError("ConstraintRaw", 2003, "A raw constraint was violated", "input_vault")
    token_in: TokenIndex = 0 if given == vaults else 1
    if len(accounts.names) > len(_COMMON):
        accounts.is_key(
            token_program_2022=TOKEN_2022,
            memo_program=MEMO,
            input_vault_mint=keys[f"token_mint_{token_in}"],
            output_vault_mint=keys[f"token_mint_{1 - token_in}"],
        )
    return token_in, fields


def _decoded(
    accounts: Arguments, overlay: Overlay, program: Pubkey, clock: ClockSysvar, fields: Fields
) -> tuple[ClmmAccounts, int]:
    """The pool with those of its arrays that the instruction names, told apart by their length."""
    key = accounts.key("pool_state")
    read: dict[Pubkey, Account | None] = {key: overlay(key)}
    for name in ("amm_config", "token_mint_0", "token_mint_1"):
        read[fields.keys[name]] = overlay(fields.keys[name])
    passed = 0
    for meta in accounts.rest:
        account = overlay(meta.key)
        length = 0 if account is None else len(account.data)
        if length not in {_ARRAY_BYTES, _EXTENSION_BYTES}:
            break
        if not meta.is_writable:
            raise ProgramError("ConstraintMut", 2000, "A mut constraint was violated", "tick_array")
        read[meta.key] = account
        passed += length == _ARRAY_BYTES
    try:
        return raydium_clmm.decode(program, key, read, clock), passed
    except UnsupportedPoolError as e:
        if e.reason is Unsupported.SWAP_DISABLED:
            raise _NOT_APPROVED from e
        raise ProgramError("InvalidAccountData", None, f"not modelled by this chain: {e}") from e


def _is_in_default_bitmap(fields: Fields) -> bool:
    array = fields.ints["tick_current"] // (fields.ints["tick_spacing"] * raydium_clmm.TICKS_PER_ARRAY)
    return -_DEFAULT_ARRAYS <= array < _DEFAULT_ARRAYS


def _refused(e: SwapRefusedError, pool: ClmmAccounts, overlay: Overlay, token_in: TokenIndex) -> ProgramError:
    match e.refusal:
        case Refusal.NOT_OPEN:
            return _NOT_APPROVED
        case Refusal.ZERO_OUTPUT:
            return _TOO_SMALL
        case Refusal.INSUFFICIENT_LIQUIDITY:
            pass
    # The maths saw the arrays that were passed. Which others are there decides what the program would say.
    account = overlay(pool.key)
    assert account is not None, "it was decoded"
    fields = CLMM_POOL.read(account.data)
    rows = (b"", b"")
    beyond = overlay(pool.extension) if pool.extension is not None else None
    if beyond is not None:
        blobs = CLMM_BITMAP_EXTENSION.read(beyond.data).blobs
        rows = blobs["negative"], blobs["positive"]
    bitmap = raydium_bitmap(fields.blobs["tick_array_bitmap"], *rows)
    current = fields.ints["tick_current"] // (fields.ints["tick_spacing"] * raydium_clmm.TICKS_PER_ARRAY)
    ahead = bitmap.falling(current) if token_in == 0 else bitmap.rising(current)
    if len(list(ahead)) > len(pool.arrays[token_in]):
        return _NO_ARRAY
    return _NO_EXTENSION if pool.extension is None else _DRY


def _slippage(mode: Exact) -> ProgramError:
    if mode is Exact.IN:
        return ProgramError("TooLittleOutputReceived", 6018, "Too little output received")
    return ProgramError("TooMuchInputPaid", 6019, "Too much input paid")


def _event(accounts: Arguments, call: Call, result: SwapResult, state: ClmmPool) -> bytes:
    ins = (result.amount_in - result.transfer_fee_in, result.transfer_fee_in)
    outs = (result.amount_out, result.transfer_fee_out)
    sides = (ins, outs) if call.token_in == 0 else (outs, ins)
    tokens = [accounts.key("input_token_account"), accounts.key("output_token_account")]
    if call.token_in:
        tokens.reverse()
    fees = [0, 0]
    fees[result.fee_token] = result.trade_fee
    return (
        _EVENT
        + accounts.key("pool_state")
        + accounts.key("payer")
        + tokens[0]
        + tokens[1]
        + u64s(*sides[0], *sides[1])
        + bytes([call.token_in == 0])
        + state.sqrt_price.to_bytes(16, "little")
        + state.liquidity.to_bytes(16, "little")
        + state.tick_current.to_bytes(4, "little", signed=True)
        + u64s(*fees)
    )
