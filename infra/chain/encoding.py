"""Accounts of the four programs and of tokens, made from what they should say."""

from collections.abc import Mapping
from typing import Final

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey
from chalicelib.adapters.solana.layout import Layout
from chalicelib.adapters.solana.layouts import MINT, TOKEN_ACCOUNT
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL, account_discriminator

_WIDE: Final = 16
RENT_PER_BYTE_LAMPORTS, RENT_OVERHEAD_BYTES = 6_960, 128


def packed(layout: Layout, values: Mapping[str, int | bytes]) -> bytes:
    """Return the bytes of an account; fields that are not named are zero.

    Raises:
        KeyError: The layout has no field of a name.
    """
    fields: dict[int, int | bytes] = {}
    names: dict[str, tuple[int, bool | None]] = {}
    for place, name, signed in layout._ints:  # noqa: SLF001 - its writer
        names[name], fields[place] = (place, signed), bytes(_WIDE) if signed is not None else 0
    for place, name in [*layout._keys, *layout._blobs]:  # noqa: SLF001 - its writer
        names[name], fields[place] = (place, None), b""
    for name, value in values.items():
        place, signed = names[name]
        if signed is not None and isinstance(value, int):
            fields[place] = value.to_bytes(_WIDE, "little", signed=signed)
        else:
            fields[place] = value
    ordered = [fields[place] for place in sorted(fields)]
    return layout._struct.pack(*ordered).ljust(layout.length, b"\0")  # noqa: SLF001 - its writer


def anchor_account(layout: Layout, program: Pubkey, values: Mapping[str, int | bytes]) -> Account:
    """Return an account of an Anchor program, rent paid."""
    data = account_discriminator(layout.name) + packed(layout, values)[8:]
    return Account(program, rent(len(data)), data)


def rent(data_bytes: int) -> int:
    """Return the lamports that keep an account of this size alive in LiteSVM."""
    return (data_bytes + RENT_OVERHEAD_BYTES) * RENT_PER_BYTE_LAMPORTS


def mint_account(authority: Pubkey | None, decimals: int, supply: int) -> Account:
    """Return a mint of the classic token program; without an authority its supply is fixed."""
    data = packed(
        MINT,
        {
            "has_mint_authority": authority is not None,
            "mint_authority": authority or NO_KEY,
            "supply": supply,
            "decimals": decimals,
            "is_initialized": 1,
        },
    )
    return Account(TOKEN, rent(len(data)), data)


def token_account(mint: Pubkey, owner: Pubkey, amount: int) -> Account:
    """Return an account of the classic token program.

    One of wrapped SOL holds its amount in lamports, too.
    """
    reserve = rent(TOKEN_ACCOUNT.length)
    is_native = mint == WRAPPED_SOL
    data = packed(
        TOKEN_ACCOUNT,
        {
            "mint": mint,
            "owner": owner,
            "amount": amount,
            "state": 1,
            "is_native": is_native,
            "rent_reserve": reserve if is_native else 0,
        },
    )
    return Account(TOKEN, reserve + (amount if is_native else 0), data)
