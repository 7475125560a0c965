"""Meteora DLMM's swap instructions, carried out with the project's verified maths.

After MeteoraAg/dlmm-sdk@fb02e51 ``idls/dlmm.json`` (0.12.0). What liquidity providers are owed per bin, and
the oracle, which no quote needs, are left as they are. Hosts' fees are not modelled: no swap of ours names a
host.
"""

from typing import Final

from chalicelib.adapters.solana import meteora_dlmm
from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.bitmaps import meteora_bitmap
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.layouts import DLMM_BIN_ARRAY, DLMM_BITMAP_EXTENSION, DLMM_PAIR
from chalicelib.adapters.solana.meteora_dlmm import BINS_PER_ARRAY, DlmmAccounts
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.pool_reading import tradable
from chalicelib.adapters.solana.programs import event_discriminator, instruction_discriminator
from chalicelib.amm.dlmm_fee import fee_rate
from chalicelib.amm.meteora_dlmm import DlmmPool
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

_HEAD: Final = (
    "lb_pair",
    "bin_array_bitmap_extension",
    "reserve_x",
    "reserve_y",
    "user_token_in",
    "user_token_out",
    "token_x_mint",
    "token_y_mint",
    "oracle",
    "host_fee_in",
    "user",
    "token_x_program",
    "token_y_program",
)
_OLD: Final = (*_HEAD, "event_authority", "program")
_NEW: Final = (*_HEAD, "memo_program", "event_authority", "program")
# Mode, accounts, name in the log.
_KINDS: Final = {
    instruction_discriminator("swap"): (Exact.IN, _OLD, "Swap"),
    instruction_discriminator("swap2"): (Exact.IN, _NEW, "Swap2"),
    instruction_discriminator("swap_exact_out"): (Exact.OUT, _OLD, "SwapExactOut"),
    instruction_discriminator("swap_exact_out2"): (Exact.OUT, _NEW, "SwapExactOut2"),
}
_TAG: Final = bytes.fromhex("e445a52e51cb9a1d")
_SWAP_EVENT, _SWAP2_EVENT = event_discriminator("Swap"), event_discriminator("Swap2Evt")
_ACCUMULATOR_AT, _REFERENCE_AT, _INDEX_REFERENCE_AT, _UPDATED_AT, _ACTIVE_ID_AT = 40, 44, 48, 56, 76
_PROTOCOL_FEES_AT: Final = (216, 224)
_BINS_AT, _BIN_BYTES, _OPEN_ORDERS_AT, _PROCESSED_ORDERS_AT = 56, 144, 112, 128
_UNITS, _UNITS_PER_BIN = 45_000, 2_600

_DISABLED: Final = ProgramError("PoolDisabled", 6042, "Pool disabled")
_SLIPPAGE: Final = ProgramError("ExceededAmountSlippageTolerance", 6003, "Exceeded amount slippage tolerance")
_NO_OUTPUT: Final = ProgramError("InsufficientOutAmount", 6039, "Insufficient amount in for minimum out")
_NO_EXTENSION: Final = ProgramError(
    "BitmapExtensionAccountIsNotProvided", 6036, "Bitmap extension account is not provided"
)
_NO_ARRAY: Final = ProgramError(
    "AccountNotEnoughKeys", 3005, "Not enough account keys given to the instruction", "bin_array"
)
_DRY: Final = ProgramError("InsufficientLiquidity", 6012, "Insufficient liquidity")
_UNDETERMINED: Final = ProgramError("UndeterminedError", 6085, "Undetermined error")


def is_swap(data: bytes) -> bool:
    """Return whether the data begins as one of the instructions that are carried out here."""
    return data[:8] in _KINDS


def execute(instruction: Instruction, overlay: Overlay, clock: ClockSysvar) -> Executed:
    """Return what the instruction does.

    Raises:
        ProgramError: It fails.
    """
    program, data = instruction.program, instruction.data
    mode, names, name = _KINDS[data[:8]]
    first, second = numbers(data, 8, 8, 8)
    if names is _NEW:
        _no_hooks(data)
    accounts = Arguments(instruction, names)
    fields = _checked(accounts, overlay, program)
    amount, threshold = (first, second) if mode is Exact.IN else (second, first)
    pool, arrays = _decoded(accounts, overlay, program, clock, fields)
    mint_in = token_account(overlay, accounts.key("user_token_in"), "user_token_in").mint
    mints = tuple(mint.key for mint in pool.mints)
    if mint_in not in mints:
        raise ProgramError(
            "ConstraintTokenMint", 2014, "A token mint constraint was violated", "user_token_in"
        )
    token_in: TokenIndex = 0 if mint_in == mints[0] else 1
    if amount == 0:
        raise ProgramError("InvalidInput", 6002, "Invalid input")
    call = Call(token_in, mode, amount, threshold)
    try:
        result, after = swap(tradable(pool, clock.epoch), call.request(clock))
    except SwapRefusedError as e:
        raise _refused(e, pool, fields, overlay, call) from e
    if call.is_beyond_threshold(result):
        raise _SLIPPAGE
    state = after.inner if isinstance(after, TransferFeePool) else after
    assert isinstance(state, DlmmPool), "a pool stays of its kind"
    left = 0
    if mode is Exact.OUT:
        # Of the most input that was allowed, as it would arrive.
        allowed = threshold - pool.mints[token_in].transfer_fee_at(clock.epoch).of(threshold)
        left = allowed - result.amount_in + result.transfer_fee_in
    places = _places(accounts, pool, token_in)
    return Executed(
        name,
        transfers(places, (pool.mints[token_in], pool.mints[1 - token_in]), result),
        {pool.key: _pair_after(overlay, pool, call, result, state)}
        | _arrays_after(pool.state, state, arrays),
        balances(overlay, places.vaults, result),
        cpi_events=_events(accounts, call, result, (pool.state, state), left),
        units=_UNITS + _UNITS_PER_BIN * (1 + abs(state.active_id - pool.state.active_id)),
    )


def _no_hooks(data: bytes) -> None:
    slices = int.from_bytes(data[24:28], "little") if len(data) >= 28 else None
    if slices is None or len(data) < 28 + 2 * slices:
        raise ProgramError(
            "InstructionDidNotDeserialize", 102, "The program could not deserialize the given instruction"
        )
    if any(data[28 + 2 * index + 1] for index in range(slices)):
        raise ProgramError("InvalidInstructionData", None, "transfer hooks are not modelled by this chain")


def _checked(accounts: Arguments, overlay: Overlay, program: Pubkey) -> Fields:
    fields = owned(overlay(accounts.key("lb_pair")), DLMM_PAIR, program, "lb_pair")
    keys = fields.keys
    accounts.has_one(
        reserve_x=keys["reserve_x"],
        reserve_y=keys["reserve_y"],
        token_x_mint=keys["token_x_mint"],
        token_y_mint=keys["token_y_mint"],
        oracle=keys["oracle"],
    )
    accounts.signs("user")
    accounts.writes("lb_pair", "reserve_x", "reserve_y", "user_token_in", "user_token_out", "oracle")
    for side in ("x", "y"):
        mint = overlay(keys[f"token_{side}_mint"])
        if mint is not None:
            accounts.is_key(**{f"token_{side}_program": mint.owner})
    accounts.seeds(event_authority=derived(program, b"__event_authority"))
    accounts.is_key(program=program)
    if accounts.key("host_fee_in") != program:
        raise ProgramError("InvalidInstructionData", None, "a host's fee is not modelled by this chain")
    return fields


def _decoded(
    accounts: Arguments, overlay: Overlay, program: Pubkey, clock: ClockSysvar, fields: Fields
) -> tuple[DlmmAccounts, dict[Pubkey, bytes]]:
    """The pair with those of its bin arrays that the instruction names, and these arrays' data."""
    key = accounts.key("lb_pair")
    read: dict[Pubkey, Account | None] = {key: overlay(key)}
    for name in ("token_x_mint", "token_y_mint"):
        read[fields.keys[name]] = overlay(fields.keys[name])
    extension = accounts.key("bin_array_bitmap_extension")
    if extension != program:
        owned(overlay(extension), DLMM_BITMAP_EXTENSION, program, "bin_array_bitmap_extension")
        read[extension] = overlay(extension)
    arrays: dict[Pubkey, bytes] = {}
    for meta in accounts.rest:
        account = overlay(meta.key)
        found = owned(account, DLMM_BIN_ARRAY, program, "bin_array")
        if not meta.is_writable:
            raise ProgramError("ConstraintMut", 2000, "A mut constraint was violated", "bin_array")
        assert account is not None, "it was read"
        if found.keys["lb_pair"] != key:
            raise ProgramError("ConstraintHasOne", 2001, "A has one constraint was violated", "bin_array")
        read[meta.key], arrays[meta.key] = account, account.data
    try:
        return meteora_dlmm.decode(program, key, read, clock), arrays
    except UnsupportedPoolError as e:
        if e.reason is Unsupported.SWAP_DISABLED:
            raise _DISABLED from e
        raise ProgramError("InvalidAccountData", None, f"not modelled by this chain: {e}") from e


def _places(accounts: Arguments, pool: DlmmAccounts, token_in: TokenIndex) -> Places:
    return Places(
        accounts.key("user"),
        pool.key,
        (accounts.key("user_token_in"), accounts.key("user_token_out")),
        (pool.vaults[token_in], pool.vaults[1 - token_in]),
    )


def _pair_after(
    overlay: Overlay, pool: DlmmAccounts, call: Call, result: SwapResult, state: DlmmPool
) -> bytes:
    account = overlay(pool.key)
    assert account is not None, "it was decoded"
    patch = Patch(account.data)
    volatility = state.volatility
    patch.put(_ACCUMULATOR_AT, volatility.volatility_accumulator, 4)
    patch.put(_REFERENCE_AT, volatility.volatility_reference, 4)
    patch.put(_INDEX_REFERENCE_AT, volatility.index_reference, 4, signed=True)
    patch.put(_UPDATED_AT, volatility.last_update_timestamp, 8, signed=True)
    patch.put(_ACTIVE_ID_AT, state.active_id, 4, signed=True)
    # The dust of an exact-out swap is the protocol's while fees are taken on the output, and belongs to none
    # otherwise.
    dust = result.dust_out if result.fee_token != call.token_in else 0
    patch.add(_PROTOCOL_FEES_AT[result.fee_token], result.protocol_fee + dust)
    return patch.done()


def _arrays_after(before: DlmmPool, after: DlmmPool, arrays: dict[Pubkey, bytes]) -> dict[Pubkey, bytes]:
    amounts = {held.bin_id: (held.amount_x, held.amount_y) for held in before.bins}
    resting = {orders.bin_id: (orders.open_amount, orders.processed_remaining) for orders in before.orders}
    now = {orders.bin_id: (orders.open_amount, orders.processed_remaining) for orders in after.orders}
    by_index = {DLMM_BIN_ARRAY.read(data).ints["index"]: key for key, data in arrays.items()}
    patches: dict[Pubkey, Patch] = {}

    def place(bin_id: int) -> tuple[Patch, int]:
        key = by_index[bin_id // BINS_PER_ARRAY]
        return patches.setdefault(key, Patch(arrays[key])), _BINS_AT + bin_id % BINS_PER_ARRAY * _BIN_BYTES

    for held in after.bins:
        if amounts[held.bin_id] != (held.amount_x, held.amount_y):
            patch, at = place(held.bin_id)
            patch.put(at, held.amount_x, 8)
            patch.put(at + 8, held.amount_y, 8)
    for bin_id, left in resting.items():
        opened, processed = now.get(bin_id, (0, 0))
        if left != (opened, processed):
            patch, at = place(bin_id)
            patch.put(at + _OPEN_ORDERS_AT, opened, 8)
            patch.put(at + _PROCESSED_ORDERS_AT, processed, 8)
    return {key: patch.done() for key, patch in patches.items()}


def _refused(
    e: SwapRefusedError, pool: DlmmAccounts, fields: Fields, overlay: Overlay, call: Call
) -> ProgramError:
    match e.refusal:
        case Refusal.NOT_OPEN:
            return _DISABLED
        case Refusal.ZERO_OUTPUT:
            return _NO_OUTPUT
        case Refusal.INSUFFICIENT_LIQUIDITY:
            pass
    if pool.state.orders and call.mode is Exact.OUT:
        return _UNDETERMINED
    rows = (b"", b"")
    beyond = overlay(pool.extension) if pool.extension is not None else None
    if beyond is not None:
        blobs = DLMM_BITMAP_EXTENSION.read(beyond.data).blobs
        rows = blobs["negative"], blobs["positive"]
    bitmap = meteora_bitmap(fields.blobs["bin_array_bitmap"], *rows)
    current = fields.ints["active_id"] // BINS_PER_ARRAY
    ahead = bitmap.falling(current) if call.token_in == 0 else bitmap.rising(current)
    if len(list(ahead)) > len(pool.arrays[call.token_in]):
        return _NO_ARRAY
    return _NO_EXTENSION if pool.extension is None else _DRY


def _events(
    accounts: Arguments, call: Call, result: SwapResult, states: tuple[DlmmPool, DlmmPool], left: int
) -> tuple[bytes, bytes]:
    _, after = states
    rate = fee_rate(after.parameters, after.volatility.volatility_accumulator)
    on_input = result.fee_token == call.token_in
    dust = 0 if on_input else result.dust_out
    fee, protocol_fee = result.trade_fee + dust, result.protocol_fee + dust
    given, got = result.amount_in, result.amount_out + result.transfer_fee_out
    ids = [state.active_id.to_bytes(4, "little", signed=True) for state in states]
    who = accounts.key("lb_pair") + accounts.key("user") + ids[0] + ids[1]
    for_y = bytes([call.token_in == 0])
    rate_bytes = rate.to_bytes(16, "little")
    old = _SWAP_EVENT + who + u64s(given, got) + for_y + u64s(fee, protocol_fee) + rate_bytes + u64s(0)
    new = (
        _SWAP2_EVENT
        + who
        + for_y
        + rate_bytes
        + u64s(given, left, got, fee - protocol_fee, protocol_fee, 0, 0)
        + bytes([on_input, result.fee_token == 0])
    )
    return _TAG + old, _TAG + new
