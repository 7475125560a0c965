"""Raydium CLMM on chain: its accounts as a pool of ours, and the instruction that swaps with it.

After raydium-io/raydium-clmm@03b44b7 ``states/{pool,tick_array}.rs`` and ``instructions/swap_v2.rs``. The
dynamic fee, fees on one token and limit orders are refused by the bytes that turn them on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
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
from chalicelib.adapters.solana.bitmaps import Bitmap, raydium_bitmap
from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.instructions import Instruction, readonly, signer, u8, u64, writable
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.layout import Fields
from chalicelib.adapters.solana.layouts import (
    CLMM_BITMAP_EXTENSION,
    CLMM_CONFIG,
    CLMM_POOL,
    CLMM_TICK_ARRAY,
)
from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.programs import MEMO, TOKEN, TOKEN_2022, instruction_discriminator
from chalicelib.adapters.solana.swap_terms import SwapTerms
from chalicelib.adapters.solana.tokens import Mint, mint_of
from chalicelib.amm.clmm_step import FEE_RATE_DENOMINATOR
from chalicelib.amm.clmm_tick import SQRT_PRICE_MAX, SQRT_PRICE_MIN, TICK_MAX
from chalicelib.amm.raydium_clmm import ClmmFees, ClmmPool, Tick
from chalicelib.domain.swap_mode import SwapMode

TICKS_PER_ARRAY: Final = 60
ARRAYS_PER_DIRECTION: Final = 4
"""So many arrays are read each way; what lies behind them is not quoted.
Four keep a swap below 1,232 bytes.
"""

_SWAP_DISABLED: Final = 1 << 4
_SWAP_V2: Final = instruction_discriminator("swap_v2")
_NO_PRICE_LIMIT: Final = bytes(16)
# tick, liquidity_net, liquidity_gross; orders_amount, part_filled_orders_remaining
_TICK: Final = Struct("<i16s16s88xQQ28x")
_TICKS_AT: Final = 44


@dataclass(frozen=True, slots=True)
class TickArray:
    """One account of ticks.

    Attributes:
        ticks: The initialized ones, ascending.
        has_orders: A limit order rests at one of its ticks.
    """

    start: int
    ticks: tuple[Tick, ...]
    has_orders: bool


@dataclass(frozen=True, slots=True)
class ClmmAccounts:
    """A pool and what its instructions name.

    Attributes:
        extension: Of the bitmap; None if the chain has none, and then it must not be passed.
        arrays: Read ones, by direction: as the price falls (token 0 in), and as it rises.
    """

    program: Pubkey
    key: Pubkey
    mints: tuple[Mint, Mint]
    vaults: tuple[Pubkey, Pubkey]
    config: Pubkey
    observation: Pubkey
    extension: Pubkey | None
    arrays: tuple[tuple[Pubkey, ...], tuple[Pubkey, ...]]
    state: ClmmPool

    def swap(self, terms: SwapTerms) -> Instruction:
        """Return the instruction ``swap_v2``, without a limit to the price: it fills whole or fails."""
        given, got = (0, 1) if terms.token_in == 0 else (1, 0)
        accounts = (
            signer(terms.authority),
            readonly(self.config),
            writable(self.key),
            writable(terms.input_account),
            writable(terms.output_account),
            writable(self.vaults[given]),
            writable(self.vaults[got]),
            writable(self.observation),
            readonly(TOKEN),
            readonly(TOKEN_2022),
            readonly(MEMO),
            readonly(self.mints[given].key),
            readonly(self.mints[got].key),
            *([writable(self.extension)] if self.extension is not None else []),
            *map(writable, self.arrays[terms.token_in]),
        )
        is_base_input = u8(terms.mode is SwapMode.EXACT_IN)
        data = _SWAP_V2 + u64(terms.amount) + u64(terms.threshold) + _NO_PRICE_LIMIT + is_base_input
        return Instruction(self.program, accounts, data)


def needs(program: Pubkey, key: Pubkey, pool: Account) -> tuple[Pubkey, ...]:
    """Return what has to be read first beside the pool; ``arrays_needed`` says what then.

    Raises:
        UnsupportedPoolError: The account is no such pool.
    """
    keys = read_account(pool, CLMM_POOL, program).keys
    return keys["amm_config"], keys["token_mint_0"], keys["token_mint_1"], extension_of(program, key)


def arrays_needed(program: Pubkey, key: Pubkey, accounts: Accounts) -> tuple[Pubkey, ...]:
    """Return the tick arrays around the price, as many each way as a swap passes.

    Raises:
        UnsupportedPoolError: The account is no such pool, or not one to trade with.
    """
    fields = read_account(present(accounts, key, "pool"), CLMM_POOL, program)
    _refuse_what_is_not_modelled(fields)
    bitmap = _bitmap(program, key, fields, accounts)
    around = [islice(ways, ARRAYS_PER_DIRECTION) for ways in _ways(bitmap, fields)]
    width = fields.ints["tick_spacing"] * TICKS_PER_ARRAY
    return tuple(
        tick_array_of(program, key, index * width) for index in sorted({i for way in around for i in way})
    )


def extension_of(program: Pubkey, pool: Pubkey) -> Pubkey:
    """Return where a pool's bitmap extension is, or would be."""
    return derived(program, b"pool_tick_array_bitmap_extension", pool)


def tick_array_of(program: Pubkey, pool: Pubkey, start: int) -> Pubkey:
    """Return the address of the array that begins at a tick."""
    return derived(program, b"tick_array", pool, start.to_bytes(4, "big", signed=True))


def decode(program: Pubkey, key: Pubkey, accounts: Accounts, clock: ClockSysvar) -> ClmmAccounts:
    """Return the pool at an address, with those of its tick arrays that were read.

    Raises:
        UnsupportedPoolError: It is no such pool, or not one to trade with.
        KeyError: Something that ``needs`` names was not read.
    """
    del clock  # nothing of this kind depends on it before the swap
    fields = read_account(present(accounts, key, "pool"), CLMM_POOL, program)
    ints, keys, _ = fields
    _refuse_what_is_not_modelled(fields)
    rates = read_account(present(accounts, keys["amm_config"], "config"), CLMM_CONFIG, program).ints
    require(
        rates,
        trade_fee_rate=rates["trade_fee_rate"] < FEE_RATE_DENOMINATOR,
        protocol_fee_rate=rates["protocol_fee_rate"] + rates["fund_fee_rate"] <= FEE_RATE_DENOMINATOR,
    )
    mints = [mint_of(keys[name], present(accounts, keys[name], "mint")) for name in _MINTS]
    bitmap = _bitmap(program, key, fields, accounts)
    width = ints["tick_spacing"] * TICKS_PER_ARRAY
    read: dict[int, TickArray] = {}
    ways: list[tuple[Pubkey, ...]] = []
    for way in _ways(bitmap, fields):
        passed: list[Pubkey] = []
        for index in way:
            array_key = tick_array_of(program, key, index * width)
            if array_key not in accounts:
                break  # a swap cannot jump over it
            array = tick_array(program, key, present(accounts, array_key, "tick array"))
            if array.start != index * width:
                raise UnsupportedPoolError(Unsupported.WRONG_POOL, f"an array begins at {array.start}")
            within = range(max(array.start, -TICK_MAX), min(array.start + width, TICK_MAX + 1))
            ticks = [tick.tick for tick in array.ticks]
            require({}, ticks=ticks == sorted(set(ticks)) and all(tick in within for tick in ticks))
            if array.has_orders:
                raise UnsupportedPoolError(Unsupported.LIMIT_ORDERS, f"in the array at {array.start}")
            read[index] = array
            passed.append(array_key)
        ways.append(tuple(passed))
    extension = extension_of(program, key)
    return ClmmAccounts(
        program,
        key,
        (mints[0], mints[1]),
        (keys["token_vault_0"], keys["token_vault_1"]),
        keys["amm_config"],
        keys["observation_key"],
        None if accounts.get(extension) is None else extension,
        (ways[0], ways[1]),
        ClmmPool(
            ints["sqrt_price_x64"],
            ints["tick_current"],
            ints["liquidity"],
            tuple(tick for index in sorted(read) for tick in read[index].ticks),
            ClmmFees(rates["trade_fee_rate"], rates["protocol_fee_rate"], rates["fund_fee_rate"]),
            ints["open_time"],
        ),
    )


def tick_array(program: Pubkey, pool: Pubkey, account: Account) -> TickArray:
    """Return the initialized ticks of an array.

    Raises:
        UnsupportedPoolError: It is none, or another pool's.
    """
    ints, keys, _ = read_account(account, CLMM_TICK_ARRAY, program)
    if keys["pool_id"] != pool:
        raise UnsupportedPoolError(Unsupported.WRONG_POOL, "a tick array is another pool's")
    ticks: list[Tick] = []
    has_orders = False
    for at in range(_TICKS_AT, _TICKS_AT + TICKS_PER_ARRAY * _TICK.size, _TICK.size):
        tick, net, gross, orders, part_filled = _TICK.unpack_from(account.data, at)
        has_orders = has_orders or bool(orders or part_filled)
        if any(gross):
            ticks.append(Tick(tick, int.from_bytes(net, "little", signed=True)))
    return TickArray(ints["start_tick_index"], tuple(ticks), has_orders)


_MINTS: Final = ("token_mint_0", "token_mint_1")


def _refuse_what_is_not_modelled(fields: Fields) -> None:
    ints = fields.ints
    if ints["status"] & _SWAP_DISABLED:
        raise UnsupportedPoolError(Unsupported.SWAP_DISABLED, f"status {ints['status']}")
    if ints["fee_on"]:
        raise UnsupportedPoolError(Unsupported.FEE_ON_ONE_TOKEN, f"fee_on {ints['fee_on']}")
    is_dynamic = any(value for name, value in ints.items() if name.startswith("dynamic_"))
    if is_dynamic or any(fields.blobs["dynamic_padding"]):
        raise UnsupportedPoolError(Unsupported.DYNAMIC_FEE, "dynamic_fee_info is not empty")
    require(
        ints,
        tick_spacing=ints["tick_spacing"] > 0,
        sqrt_price_x64=SQRT_PRICE_MIN <= ints["sqrt_price_x64"] <= SQRT_PRICE_MAX,
        tick_current=abs(ints["tick_current"]) <= TICK_MAX,
    )


def _bitmap(program: Pubkey, key: Pubkey, fields: Fields, accounts: Accounts) -> Bitmap:
    middle = fields.blobs["tick_array_bitmap"]
    account = accounts.get(extension_of(program, key))
    if account is None:
        return raydium_bitmap(middle)
    extension = read_account(account, CLMM_BITMAP_EXTENSION, program)
    if extension.keys["pool_id"] != key:
        raise UnsupportedPoolError(Unsupported.WRONG_POOL, "a bitmap extension is another pool's")
    return raydium_bitmap(middle, extension.blobs["negative"], extension.blobs["positive"])


def _ways(bitmap: Bitmap, fields: Fields) -> tuple[Iterator[int], Iterator[int]]:
    """The indexes of arrays as the price falls, and as it rises, from the one at the price on."""
    width = fields.ints["tick_spacing"] * TICKS_PER_ARRAY
    current = fields.ints["tick_current"] // width
    furthest = TICK_MAX // width + 1
    return (
        takewhile(lambda index: index >= -furthest, bitmap.falling(current)),
        takewhile(lambda index: index <= furthest, bitmap.rising(current)),
    )
