"""Meteora DLMM on chain: its accounts as a pool of ours, and the instruction that swaps with it.

After MeteoraAg/dlmm-sdk@fb02e51 ``idls/dlmm.json`` (0.12.0) and ``commons/src``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from struct import Struct
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
from chalicelib.adapters.solana.bitmaps import Bitmap, meteora_bitmap
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction, readonly, signer, u64, writable
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.layouts import DLMM_BIN_ARRAY, DLMM_BITMAP_EXTENSION, DLMM_PAIR
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.programs import MEMO, instruction_discriminator
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import Mint, mint_of
from chalicelib.amm.activation import ActivationType
from chalicelib.amm.dlmm_bin import Bin
from chalicelib.amm.dlmm_fee import DlmmCollectFeeMode, DlmmParameters, DlmmVolatility
from chalicelib.amm.dlmm_orders import BinOrders
from chalicelib.amm.dlmm_price import BASIS_POINTS, bin_price
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.q64 import EXPONENT_MAX
from chalicelib.amm.swaps import SwapRefusedError
from chalicelib.domain.swap_mode import SwapMode

BINS_PER_ARRAY: Final = 70
ARRAYS_PER_DIRECTION: Final = 4
"""So many arrays are read each way; what lies behind them is not quoted.
Four keep a swap below 1,232 bytes.
"""

_ENABLED: Final = 0
_POWER_FACTOR_MAX: Final = 9
_ACTIVATED_PAIR_TYPES: Final = frozenset({1, 2})
_PAIR_TYPE_MAX: Final = 3
_LIMIT_ORDER_FUNCTION, _LIQUIDITY_MINING_OR_ORDERS = 2, 0
_ACTIVATION: Final = {0: ActivationType.SLOT, 1: ActivationType.TIMESTAMP}
_COLLECT_FEE: Final = {0: DlmmCollectFeeMode.INPUT, 1: DlmmCollectFeeMode.ONLY_Y}
_SWAP: Final = {
    SwapMode.EXACT_IN: instruction_discriminator("swap2"),
    SwapMode.EXACT_OUT: instruction_discriminator("swap_exact_out2"),
}
_NO_HOOK_ACCOUNTS: Final = bytes(4)
# amount_x, amount_y; liquidity_supply; open_order_amount;
# processed_order_remaining_amount; limit_order_ask_side
_BIN: Final = Struct("<QQ16x16s64xQ8xQ4xB3x")
_BINS_AT: Final = 56


@dataclass(frozen=True, slots=True)
class BinArray:
    """One account of bins: those that hold something, ascending, and what rests in them."""

    index: int
    bins: tuple[Bin, ...]
    orders: tuple[BinOrders, ...]


@dataclass(frozen=True, slots=True)
class DlmmAccounts:
    """A pair and what its instructions name.

    Attributes:
        extension: Of the bitmap; None if the chain has none.
        arrays: Read ones, by direction: as the price falls (X in), and as it rises.
    """

    program: Pubkey
    key: Pubkey
    mints: tuple[Mint, Mint]
    vaults: tuple[Pubkey, Pubkey]
    oracle: Pubkey
    extension: Pubkey | None
    arrays: tuple[tuple[Pubkey, ...], tuple[Pubkey, ...]]
    state: DlmmPool

    def swap(self, terms: SwapTerms) -> Instruction:
        """Return the instruction ``swap2`` or ``swap_exact_out2``; no mint of ours has hook accounts."""
        none = readonly(self.program)  # stands for an optional account that is not there
        exact_in = terms.mode is SwapMode.EXACT_IN
        numbers = (terms.amount, terms.threshold) if exact_in else (terms.threshold, terms.amount)
        accounts = (
            writable(self.key),
            none if self.extension is None else writable(self.extension),
            writable(self.vaults[0]),
            writable(self.vaults[1]),
            writable(terms.input_account),
            writable(terms.output_account),
            readonly(self.mints[0].key),
            readonly(self.mints[1].key),
            writable(self.oracle),
            none,  # the host's fee account
            signer(terms.authority),
            readonly(self.mints[0].program),
            readonly(self.mints[1].program),
            readonly(MEMO),
            readonly(derived(self.program, b"__event_authority")),
            readonly(self.program),
            *map(writable, self.arrays[terms.token_in]),
        )
        data = _SWAP[terms.mode] + b"".join(u64(number) for number in numbers) + _NO_HOOK_ACCOUNTS
        return Instruction(self.program, accounts, data)


def needs(program: Pubkey, key: Pubkey, pair: Account) -> tuple[Pubkey, ...]:
    """Return what has to be read first beside the pair; ``arrays_needed`` says what then.

    Raises:
        UnsupportedPoolError: The account is no pair.
    """
    keys = read_account(pair, DLMM_PAIR, program).keys
    return keys["token_x_mint"], keys["token_y_mint"], extension_of(program, key)


def arrays_needed(program: Pubkey, key: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """Return the bin arrays around the active bin, as many each way as a swap passes.

    Raises:
        UnsupportedPoolError: The account is no pair, or not one to trade with.
    """
    fields = read_account(present(accounts, key, "pair"), DLMM_PAIR, program)
    _refuse_what_is_not_modelled(fields)
    around = [
        islice(way, ARRAYS_PER_DIRECTION) for way in _ways(_bitmap(program, key, fields, accounts), fields)
    ]
    return tuple(bin_array_of(program, key, index) for index in sorted({i for way in around for i in way}))


def extension_of(program: Pubkey, pair: Pubkey) -> Pubkey:
    """Return where a pair's bitmap extension is, or would be."""
    return derived(program, b"bitmap", pair)


def bin_array_of(program: Pubkey, pair: Pubkey, index: int) -> Pubkey:
    """Return the address of a pair's bin array."""
    return derived(program, b"bin_array", pair, index.to_bytes(8, "little", signed=True))


def decode(program: Pubkey, key: Pubkey, accounts: Accounts, clock: ClockSysvar) -> DlmmAccounts:
    """Return the pair at an address, with those of its bin arrays that were read.

    Raises:
        UnsupportedPoolError: It is no pair, or not one to trade with.
        KeyError: Something that ``needs`` names was not read.
    """
    del clock  # a pair that is not open yet says so when it is asked to swap
    fields = read_account(present(accounts, key, "pair"), DLMM_PAIR, program)
    ints, keys, _ = fields
    _refuse_what_is_not_modelled(fields)
    mints = [mint_of(keys[name], present(accounts, keys[name], "mint")) for name in _MINTS]
    read: dict[int, BinArray] = {}
    ways: list[tuple[Pubkey, ...]] = []
    for way in _ways(_bitmap(program, key, fields, accounts), fields):
        passed: list[Pubkey] = []
        for index in way:
            array_key = bin_array_of(program, key, index)
            if array_key not in accounts:
                break  # a swap cannot jump over it
            account = present(accounts, array_key, "bin array")
            read[index] = bin_array(program, key, account, with_orders=_has_orders(fields))
            if read[index].index != index:
                raise UnsupportedPoolError(Unsupported.WRONG_POOL, f"an array has index {read[index].index}")
            passed.append(array_key)
        ways.append(tuple(passed))
    extension = extension_of(program, key)
    is_activated = ints["pair_type"] in _ACTIVATED_PAIR_TYPES
    return DlmmAccounts(
        program,
        key,
        (mints[0], mints[1]),
        (keys["reserve_x"], keys["reserve_y"]),
        keys["oracle"],
        None if accounts.get(extension) is None else extension,
        (ways[0], ways[1]),
        DlmmPool(
            _parameters(fields),
            ints["active_id"],
            tuple(held for index in sorted(read) for held in read[index].bins),
            _volatility(fields),
            ints["activation_point"] if is_activated else 0,
            _ACTIVATION[ints["activation_type"]] if is_activated else ActivationType.TIMESTAMP,
            orders=tuple(orders for index in sorted(read) for orders in read[index].orders),
        ),
    )


def bin_array(program: Pubkey, pair: Pubkey, account: Account, *, with_orders: bool) -> BinArray:
    """Return the bins of an array.

    Args:
        with_orders: The pair has limit orders. In others those bytes may hold something older.

    Raises:
        UnsupportedPoolError: It is none, or another pair's.
    """
    ints, keys, _ = read_account(account, DLMM_BIN_ARRAY, program)
    if keys["lb_pair"] != pair:
        raise UnsupportedPoolError(Unsupported.WRONG_POOL, "a bin array is another pair's")
    lowest = ints["index"] * BINS_PER_ARRAY
    bins: list[Bin] = []
    resting: list[BinOrders] = []
    for place in range(BINS_PER_ARRAY):
        x, y, supply, opened, processed, is_ask = _BIN.unpack_from(account.data, _BINS_AT + place * _BIN.size)
        orders = None
        if with_orders and (opened or processed):
            orders = BinOrders(lowest + place, processed, opened, is_ask=bool(is_ask))
            resting.append(orders)
        if x or y or orders or any(supply):
            bins.append(Bin(lowest + place, x, y))
    return BinArray(ints["index"], tuple(bins), tuple(resting))


_MINTS: Final = ("token_x_mint", "token_y_mint")


def _refuse_what_is_not_modelled(fields: Fields) -> None:
    ints = fields.ints
    if ints["status"] != _ENABLED:
        raise UnsupportedPoolError(Unsupported.SWAP_DISABLED, f"status {ints['status']}")
    if ints["collect_fee_mode"] not in _COLLECT_FEE:
        raise UnsupportedPoolError(
            Unsupported.UNKNOWN_FEE_MODE, f"collect_fee_mode {ints['collect_fee_mode']}"
        )
    if ints["pair_type"] > _PAIR_TYPE_MAX or ints["activation_type"] not in _ACTIVATION:
        kinds = {name: ints[name] for name in ("pair_type", "activation_type")}
        raise UnsupportedPoolError(Unsupported.UNKNOWN_LAYOUT, f"{kinds}")
    require(
        ints,
        bin_step=0 < ints["bin_step"] <= BASIS_POINTS,
        active_id=abs(ints["active_id"]) < EXPONENT_MAX,
        protocol_share=ints["protocol_share"] <= BASIS_POINTS,
        base_fee_power_factor=ints["base_fee_power_factor"] <= _POWER_FACTOR_MAX,
    )
    try:
        bin_price(ints["active_id"], ints["bin_step"])
    except SwapRefusedError:
        require(ints, active_id=False)


def _has_orders(fields: Fields) -> bool:
    """``is_support_limit_order``: by the pair's function, or for lack of rewards in the older kind."""
    function = fields.ints["function_type"]
    if function == _LIMIT_ORDER_FUNCTION:
        return True
    rewards = {fields.keys["reward_0_mint"], fields.keys["reward_1_mint"]}
    return function == _LIQUIDITY_MINING_OR_ORDERS and rewards == {NO_KEY}


def _parameters(fields: Fields) -> DlmmParameters:
    ints = fields.ints
    return DlmmParameters(
        bin_step=ints["bin_step"],
        base_factor=ints["base_factor"],
        filter_period=ints["filter_period"],
        decay_period=ints["decay_period"],
        reduction_factor=ints["reduction_factor"],
        variable_fee_control=ints["variable_fee_control"],
        max_volatility_accumulator=ints["max_volatility_accumulator"],
        protocol_share_bps=ints["protocol_share"],
        base_fee_power_factor=ints["base_fee_power_factor"],
        collect_fee_mode=_COLLECT_FEE[ints["collect_fee_mode"]],
    )


def _volatility(fields: Fields) -> DlmmVolatility:
    ints = fields.ints
    return DlmmVolatility(
        ints["volatility_accumulator"],
        ints["volatility_reference"],
        ints["index_reference"],
        ints["last_update_timestamp"],
    )


def _bitmap(program: Pubkey, key: Pubkey, fields: Fields, accounts: Accounts) -> Bitmap:
    middle = fields.blobs["bin_array_bitmap"]
    account = accounts.get(extension_of(program, key))
    if account is None:
        return meteora_bitmap(middle)
    extension = read_account(account, DLMM_BITMAP_EXTENSION, program)
    if extension.keys["lb_pair"] != key:
        raise UnsupportedPoolError(Unsupported.WRONG_POOL, "a bitmap extension is another pair's")
    return meteora_bitmap(middle, extension.blobs["negative"], extension.blobs["positive"])


def _ways(bitmap: Bitmap, fields: Fields) -> tuple[Iterator[int], Iterator[int]]:
    """The indexes of arrays as the price falls, and as it rises, from the active bin's on."""
    current = fields.ints["active_id"] // BINS_PER_ARRAY
    return bitmap.falling(current), bitmap.rising(current)
