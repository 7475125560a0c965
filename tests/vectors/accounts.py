"""Accounts as the file of decodings names their fields."""

from collections.abc import Iterator
from struct import Struct
from typing import Any, Final

from chalicelib.adapters.solana import layouts
from chalicelib.adapters.solana.accounts import Account, read_account
from chalicelib.adapters.solana.bitmaps import ROW_BITS, ROW_BYTES
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey, address_of
from chalicelib.adapters.solana.layout import Fields, Layout
from chalicelib.adapters.solana.meteora_dlmm import BINS_PER_ARRAY, bin_array
from chalicelib.adapters.solana.raydium_clmm import tick_array
from chalicelib.adapters.solana.tokens import Extension, extensions, mint_of

_LAYOUTS: Final = {
    "clmm.PoolState": layouts.CLMM_POOL,
    "clmm.AmmConfig": layouts.CLMM_CONFIG,
    "clmm.TickArrayState": layouts.CLMM_TICK_ARRAY,
    "clmm.TickArrayBitmapExtension": layouts.CLMM_BITMAP_EXTENSION,
    "cpmm.PoolState": layouts.CPMM_POOL,
    "cpmm.AmmConfig": layouts.CPMM_CONFIG,
    "dlmm.LbPair": layouts.DLMM_PAIR,
    "dlmm.BinArray": layouts.DLMM_BIN_ARRAY,
    "dlmm.Oracle": layouts.DLMM_ORACLE,
    "damm_v2.Pool": layouts.DAMM_V2_POOL,
    "token.Mint": layouts.MINT,
    "token.Account": layouts.TOKEN_ACCOUNT,
    "token2022.Mint+TransferFeeConfig": layouts.MINT,
}
_TICKS: Final = (
    "initialized ticks [tick, liquidity_net, liquidity_gross, orders_amount, part_filled_orders_remaining]"
)
_BINS: Final = (
    "bins that hold something [id, amount_x, amount_y, price, liquidity_supply, open_order_amount, "
    "processed_order_remaining_amount, limit_order_ask_side]"
)
_BITS: Final = "set bits [side, row, bit]"
_EXTENSIONS: Final = "extensions [type, length]"


def decoded(kind: str, owner: Pubkey, data: bytes) -> dict[str, Any]:
    """Return the fields of an account by the names of the file.

    Raises:
        UnsupportedPoolError: The adapter takes the account for something else.
    """
    account = Account(owner, 0, data)
    layout = _LAYOUTS[kind]
    fields = layout.read(data) if kind.startswith("token") else read_account(account, layout, owner)
    found = _named(fields)
    match kind:
        case "clmm.TickArrayState":
            found[_TICKS] = list(_ticks(account, fields))
        case "dlmm.BinArray":
            found[_BINS] = list(_bins(account, fields))
        case "clmm.TickArrayBitmapExtension":
            found[_BITS] = [*_bits("positive", fields), *_bits("negative", fields)]
        case "token.Mint" | "token.Account":
            found[_EXTENSIONS] = [[number, len(content)] for number, content in extensions(account)]
        case "token2022.Mint+TransferFeeConfig":
            found |= _transfer_fees(account)
    return found


def _named(fields: Fields) -> dict[str, Any]:
    keys = {name: address_of(key) for name, key in fields.keys.items()}
    return {**fields.ints, **keys, **{name: blob.hex() for name, blob in fields.blobs.items()}}


def _ticks(account: Account, fields: Fields) -> Iterator[list[int]]:
    """By the adapter's reading, with what the maths does not need added from the bytes."""
    read = dict(tick_array(account.owner, fields.keys["pool_id"], account).ticks)
    whole = Struct("<i16s16s88xQQ28x")
    for at in range(44, 44 + 60 * whole.size, whole.size):
        tick, net, gross, orders, part_filled = whole.unpack_from(account.data, at)
        if any(gross) or orders or part_filled:
            signed = read.get(tick, int.from_bytes(net, "little", signed=True))
            yield [tick, signed, int.from_bytes(gross, "little"), orders, part_filled]


def _bins(account: Account, fields: Fields) -> Iterator[list[int]]:
    array = bin_array(account.owner, fields.keys["lb_pair"], account, with_orders=True)
    resting = {orders.bin_id: orders for orders in array.orders}
    whole = Struct("<16x16s16s64xQ8xQ4xB3x")
    for held in array.bins:
        at = 56 + (held.bin_id - array.index * BINS_PER_ARRAY) * whole.size
        price, supply, opened, processed, ask = whole.unpack_from(account.data, at)
        orders = resting.get(held.bin_id)
        if orders is not None:
            opened, processed, ask = orders.open_amount, orders.processed_remaining, int(orders.is_ask)
        if not (held.amount_x or held.amount_y or any(supply) or opened):
            continue  # the file passes over what lies about where older arrays held rewards
        wide = [int.from_bytes(number, "little") for number in (price, supply)]
        yield [*held, *wide, opened, processed, ask]


def _bits(side: str, fields: Fields) -> Iterator[list[Any]]:
    blob = fields.blobs[side]
    for row, at in enumerate(range(0, len(blob), ROW_BYTES)):
        bits = int.from_bytes(blob[at : at + ROW_BYTES], "little")
        yield from ([side, row, bit] for bit in range(ROW_BITS) if bits >> bit & 1)


def _transfer_fees(account: Account) -> dict[str, int]:
    mint = mint_of(NO_KEY, account)
    config = next(
        content for number, content in extensions(account) if number == Extension.TRANSFER_FEE_CONFIG
    )
    withheld = Layout("withheld", 108, "withheld_amount 64 u64\nolder_epoch 72 u64").read(config).ints
    return {
        **withheld,
        "older_maximum_fee": mint.older_fee.maximum,
        "older_basis_points": mint.older_fee.basis_points,
        "newer_epoch": mint.newer_epoch,
        "newer_maximum_fee": mint.newer_fee.maximum,
        "newer_basis_points": mint.newer_fee.basis_points,
    }
