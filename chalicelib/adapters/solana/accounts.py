"""Accounts as a node returns them, and why a pool is left alone.

An account is what its owner says it is: only the owning program can have written its bytes. So the owner is
checked before a byte is believed, and then the discriminator and the length.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.layout import Fields, Layout
from chalicelib.adapters.solana.programs import DISCRIMINATOR_BYTES, account_discriminator


class Account(NamedTuple):
    """An account at one slot."""

    owner: Pubkey
    lamports: int
    data: bytes


Accounts = Mapping[Pubkey, Account | None]
"""What was read at one slot: None where the chain has no account; absent where nothing was asked."""


class Unsupported(StrEnum):
    """Why a pool is not traded with; clients see the value in ``routed.quotes``."""

    MISSING_ACCOUNT = "missing_account"
    WRONG_OWNER = "wrong_owner"
    UNKNOWN_LAYOUT = "unknown_layout"  # discriminator, length, or a value that no layout we know has
    WRONG_POOL = "wrong_pool"  # an account that belongs to another pool
    WRONG_DECIMALS = "wrong_decimals"  # the list of tokens says otherwise: every amount would be off
    IMPLAUSIBLE = "implausible"  # values that the program cannot have written: the node is broken, or lies
    EMPTY = "empty"  # no liquidity was ever put into it
    SWAP_DISABLED = "swap_disabled"
    FEE_ON_ONE_TOKEN = "fee_on_one_token"  # noqa: S105 - no secret
    DYNAMIC_FEE = "dynamic_fee"
    LIMIT_ORDERS = "limit_orders"
    UNKNOWN_FEE_MODE = "unknown_fee_mode"
    TRANSFER_HOOK = "transfer_hook"
    PAUSABLE = "pausable"
    DEFAULT_FROZEN = "default_frozen"
    FROZEN_VAULT = "frozen_vault"
    PERMANENT_DELEGATE = "permanent_delegate"
    NON_TRANSFERABLE = "non_transferable"
    UNKNOWN_EXTENSION = "unknown_extension"


class UnsupportedPoolError(Exception):
    """The pool's bytes say that our maths or our instructions would be wrong for it."""

    def __init__(self, reason: Unsupported, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


def present(accounts: Accounts, key: Pubkey, what: str) -> Account:
    """Return an account.

    Raises:
        UnsupportedPoolError: The chain has none at that address.
        KeyError: It was not read.
    """
    account = accounts[key]
    if account is None:
        raise UnsupportedPoolError(Unsupported.MISSING_ACCOUNT, f"no {what} at {address_of(key)}")
    return account


def require(fields: Mapping[str, int], **holds: bool) -> None:
    """Refuse values that the program would not have written, before the maths meets them.

    Args:
        fields: Where to find the values of the names in ``holds``, for the message.

    Raises:
        UnsupportedPoolError: One of the conditions does not hold.
    """
    for name, is_so in holds.items():
        if not is_so:
            raise UnsupportedPoolError(Unsupported.IMPLAUSIBLE, f"{name} {fields.get(name, '')}".rstrip())


def read_account(account: Account, layout: Layout, program: Pubkey) -> Fields:
    """Return the fields of an Anchor program's account.

    Raises:
        UnsupportedPoolError: Another program owns it, or it is not of this layout.
    """
    if account.owner != program:
        raise UnsupportedPoolError(
            Unsupported.WRONG_OWNER, f"{layout.name} is owned by {address_of(account.owner)}"
        )
    data = account.data
    if data[:DISCRIMINATOR_BYTES] != _discriminator(layout.name) or len(data) != layout.length:
        raise UnsupportedPoolError(
            Unsupported.UNKNOWN_LAYOUT,
            f"{len(data)} bytes that begin with {data[:DISCRIMINATOR_BYTES].hex()} are no {layout.name}",
        )
    return layout.read(data)


@lru_cache(maxsize=64)
def _discriminator(name: str) -> bytes:
    return account_discriminator(name)
