"""Mints and token accounts of the two token programs.

Token-2022 keeps what it adds behind the 165 bytes of an account as (type, length, data) entries,
after a byte that says whether this is a mint (solana-program/token-2022
``program/src/extension/mod.rs``). A mint with an extension that can stop, redirect or change a
transfer is not traded; neither is one with an unknown extension.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import Account, Unsupported, UnsupportedPoolError, require
from chalicelib.adapters.solana.keys import KEY_BYTES, NO_KEY, Pubkey, address_of
from chalicelib.adapters.solana.layout import Layout
from chalicelib.adapters.solana.layouts import MINT, TOKEN_ACCOUNT
from chalicelib.adapters.solana.programs import TOKEN, TOKEN_PROGRAMS
from chalicelib.amm.transfer_fee import BASIS_POINTS, NO_FEE, TransferFee


class Extension(IntEnum):
    """``ExtensionType``, as far as one matters here."""

    TRANSFER_FEE_CONFIG = 1
    DEFAULT_ACCOUNT_STATE = 6
    NON_TRANSFERABLE = 9
    PERMANENT_DELEGATE = 12
    TRANSFER_HOOK = 14
    PAUSABLE = 26


_KNOWN_EXTENSION_MAX: Final = 28
_EXTENSIONS_AT: Final = TOKEN_ACCOUNT.length + 1
_MINT_TYPE, _ACCOUNT_TYPE = 1, 2
_FROZEN: Final = 2
_INITIALIZED: Final = 1

_TRANSFER_FEE_CONFIG: Final = Layout(
    "TransferFeeConfig",
    108,
    """
    config_authority 0 key
    withdraw_authority 32 key
    withheld_amount 64 u64
    older_epoch 72 u64
    older_maximum_fee 80 u64
    older_basis_points 88 u16
    newer_epoch 90 u64
    newer_maximum_fee 98 u64
    newer_basis_points 106 u16
    """,
)


@dataclass(frozen=True, slots=True)
class Mint:
    """A token as its mint describes it.

    Attributes:
        program: The token program that owns it.
        older_fee: In force before ``newer_epoch``.
    """

    key: Pubkey
    program: Pubkey
    decimals: int
    supply: int
    older_fee: TransferFee = NO_FEE
    newer_fee: TransferFee = NO_FEE
    newer_epoch: int = 0

    @property
    def withholds(self) -> bool:
        """Whether a transfer may leave a fee in the account that it pays into, which then cannot be closed
        (``AccountHasWithheldTransferFees``) until the fee is harvested.
        """
        return bool(self.older_fee.basis_points or self.newer_fee.basis_points)

    def transfer_fee_at(self, epoch: int) -> TransferFee:
        """Return the fee in force in an epoch: ``get_epoch_fee``."""
        return self.newer_fee if epoch >= self.newer_epoch else self.older_fee


class TokenAccount(NamedTuple):
    """A balance.

    Attributes:
        delegate: May move up to ``delegated_amount``, None if only the owner may.
    """

    mint: Pubkey
    owner: Pubkey
    amount: int
    is_frozen: bool
    delegate: Pubkey | None
    delegated_amount: int


def token_account_of(account: Account) -> TokenAccount:
    """Return a token account of either program.

    Raises:
        UnsupportedPoolError: It is none, or not initialized.
    """
    _owned_by_a_token_program(account, "token account")
    fields = None
    if _is_of_type(account, TOKEN_ACCOUNT.length, _ACCOUNT_TYPE):
        fields = TOKEN_ACCOUNT.read(account.data)
    if fields is None or fields.ints["state"] not in {_INITIALIZED, _FROZEN}:
        raise UnsupportedPoolError(
            Unsupported.UNKNOWN_LAYOUT, f"{len(account.data)} bytes are no token account"
        )
    ints, keys = fields.ints, fields.keys
    return TokenAccount(
        keys["mint"],
        keys["owner"],
        ints["amount"],
        ints["state"] == _FROZEN,
        keys["delegate"] if ints["has_delegate"] else None,
        ints["delegated_amount"],
    )


def mint_of(key: Pubkey, account: Account) -> Mint:
    """Return a mint whose tokens move as the pools' maths expects.

    Raises:
        UnsupportedPoolError: It is no mint, or an extension stands against trading it.
    """
    _owned_by_a_token_program(account, "mint")
    ints = MINT.read(account.data).ints if _is_of_type(account, MINT.length, _MINT_TYPE) else None
    if ints is None or not ints["is_initialized"]:
        raise UnsupportedPoolError(Unsupported.UNKNOWN_LAYOUT, f"{len(account.data)} bytes are no mint")
    older = newer = NO_FEE
    newer_epoch = 0
    for kind, data in extensions(account):
        _refuse(key, kind, data)
        if kind == Extension.TRANSFER_FEE_CONFIG:
            fees = _TRANSFER_FEE_CONFIG.read(data).ints
            rates = fees["older_basis_points"], fees["newer_basis_points"]
            require(
                fees, older_basis_points=rates[0] <= BASIS_POINTS, newer_basis_points=rates[1] <= BASIS_POINTS
            )
            older = TransferFee(fees["older_basis_points"], fees["older_maximum_fee"])
            newer = TransferFee(fees["newer_basis_points"], fees["newer_maximum_fee"])
            newer_epoch = fees["newer_epoch"]
    return Mint(key, account.owner, ints["decimals"], ints["supply"], older, newer, newer_epoch)


def extensions(account: Account) -> Iterator[tuple[int, bytes]]:
    """Yield each extension of a Token-2022 account or mint.

    Raises:
        UnsupportedPoolError: An entry is longer than what follows it.
    """
    data = account.data
    at = _EXTENSIONS_AT
    while at + 4 <= len(data):
        kind, length = (
            int.from_bytes(data[at : at + 2], "little"),
            int.from_bytes(data[at + 2 : at + 4], "little"),
        )
        if kind == 0:
            return  # the rest is room for extensions to come
        at += 4 + length
        if at > len(data) or (kind == Extension.TRANSFER_FEE_CONFIG and length < _TRANSFER_FEE_CONFIG.length):
            raise UnsupportedPoolError(Unsupported.UNKNOWN_LAYOUT, f"extension {kind} of {length} bytes")
        yield kind, data[at - length : at]


def _refuse(mint: Pubkey, kind: int, data: bytes) -> None:
    reason = None
    match kind:
        case Extension.DEFAULT_ACCOUNT_STATE:
            reason = Unsupported.DEFAULT_FROZEN if data[:1] == bytes([_FROZEN]) else None
        case Extension.NON_TRANSFERABLE:
            reason = Unsupported.NON_TRANSFERABLE
        case Extension.PERMANENT_DELEGATE:
            reason = Unsupported.PERMANENT_DELEGATE if data[:KEY_BYTES] != NO_KEY else None
        case Extension.TRANSFER_HOOK:
            # The authority of a hook that is not there yet may put one in at any time.
            reason = Unsupported.TRANSFER_HOOK if any(data) else None
        case Extension.PAUSABLE:
            reason = Unsupported.PAUSABLE if any(data) else None
        case _ if kind > _KNOWN_EXTENSION_MAX:
            reason = Unsupported.UNKNOWN_EXTENSION
    if reason is not None:
        raise UnsupportedPoolError(reason, f"mint {address_of(mint)}, extension {kind}")


def _owned_by_a_token_program(account: Account, what: str) -> None:
    if account.owner not in TOKEN_PROGRAMS:
        raise UnsupportedPoolError(
            Unsupported.WRONG_OWNER, f"a {what} is owned by {address_of(account.owner)}"
        )


def _is_of_type(account: Account, length: int, kind: int) -> bool:
    """Return whether an account has the length of its kind,
    or the byte behind an account's length names it.
    """
    if len(account.data) == length:
        return True
    is_extended = account.owner != TOKEN and len(account.data) >= _EXTENSIONS_AT
    return is_extended and account.data[TOKEN_ACCOUNT.length] == kind
