"""What a key of ours signs: swaps of its own wallet, and nothing else.

The message is read back from its bytes, whatever built it. Programs, accounts and destinations are compared
with the wallet that is asked to sign, so that a builder that is confused, or in other hands, can neither pay
to strangers, nor approve one, nor hand an account over. What it could still do is swap badly: the caps of
``spending`` bound that.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from chalicelib.adapters.solana.instructions import Instruction
from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.message_reader import ReadMessage, read_message
from chalicelib.adapters.solana.messages import V1_WIRE_BYTES_MAX
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import (
    ASSOCIATED_TOKEN,
    COMPUTE_BUDGET,
    MEMO,
    SYSTEM,
    TOKEN,
    TOKEN_PROGRAMS,
    WRAPPED_SOL,
    ProgramIds,
)
from chalicelib.adapters.solana.signer import Signer
from chalicelib.adapters.solana.swap_calls import SwapCall, keys_of, swap_call
from chalicelib.adapters.solana.swap_message import UNITS_MAX, priority_fee
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.amm.swaps import Exact

_UNIT_LIMIT, _UNIT_PRICE = 2, 3
_CREATE_IDEMPOTENT: Final = b"\x01"
_CREATED_ACCOUNTS: Final = 6
_SYNC_NATIVE: Final = b"\x11"
_CLOSE: Final = b"\x09"
_TRANSFER: Final = (2).to_bytes(4, "little")
_TRANSFER_BYTES: Final = 12
_MEMO_BYTES_MAX: Final = 128


class UnsafeMessageError(Exception):
    """A message that is not signed, and the rule that it breaks. It is always a defect or an attack."""


@dataclass(frozen=True, slots=True)
class SigningRules:
    """What messages may hold.

    Attributes:
        pools: The only ones that may be traded with; None allows any pool of the four programs.
        fee_lamports_max: Priority fee of one transaction.
    """

    ids: ProgramIds
    pools: Collection[Pubkey] | None = None
    fee_lamports_max: int = 1_000_000


class GuardedSigner:
    """A signer that reads what it signs. The port ``Signer``."""

    def __init__(self, inner: Signer, rules: SigningRules) -> None:
        self._inner, self._rules = inner, rules

    def wallet(self, account_id: str) -> TradingWallet:
        return self._inner.wallet(account_id)

    def sign(self, account_id: str, message: bytes) -> bytes:
        """Return the signature.

        Raises:
            UnsafeMessageError: It is no swap of the account's own wallet.
        """
        check(message, self._inner.wallet(account_id), self._rules)
        return self._inner.sign(account_id, message)


def check(raw: bytes, wallet: TradingWallet, rules: SigningRules) -> None:
    """Accept a message that is nothing but a swap of a wallet.

    Raises:
        UnsafeMessageError: It is something else.
    """
    if len(raw) > V1_WIRE_BYTES_MAX:
        raise UnsafeMessageError(f"{len(raw)} bytes are no message")
    try:
        message = read_message(raw)
    except ValueError as error:
        raise UnsafeMessageError(f"it cannot be read: {error}") from error
    if message.version is None or message.lookups or message.instructions is None:
        raise UnsafeMessageError("it is of version 0 without lookup tables, or of version 1")
    if message.signers != (wallet.authority,):
        raise UnsafeMessageError(f"only {address_of(wallet.authority)} signs, and pays")
    _check_fee(message, rules)
    swaps: list[SwapCall] = []
    for instruction in message.instructions:
        swap = _checked(instruction, wallet, rules)
        if swap is not None:
            swaps.append(swap)
    if not swaps:
        raise UnsafeMessageError("it swaps nothing")
    _check_flow(swaps, wallet)


def _checked(instruction: Instruction, wallet: TradingWallet, rules: SigningRules) -> SwapCall | None:
    program, accounts, data = instruction
    keys = keys_of(accounts)
    if program == COMPUTE_BUDGET:
        _demand(not keys and data[:1] in {bytes([_UNIT_LIMIT]), bytes([_UNIT_PRICE])}, "an unknown budget")
    elif program == ASSOCIATED_TOKEN:
        _check_created(keys, data, wallet)
    elif program == SYSTEM:
        _check_wrapping(keys, data, wallet)
    elif program in TOKEN_PROGRAMS:
        _check_token(program, keys, data, wallet)
    elif program == MEMO:
        _demand(keys in {(), (wallet.authority,)} and len(data) <= _MEMO_BYTES_MAX, "a memo of another kind")
    else:
        return _swap(program, keys, data, rules)
    return None


def _swap(program: Pubkey, keys: tuple[Pubkey, ...], data: bytes, rules: SigningRules) -> SwapCall:
    try:
        swap = swap_call(rules.ids, program, keys, data)
    except ValueError as error:
        raise UnsafeMessageError(str(error)) from error
    if swap is None:
        raise UnsafeMessageError(f"program {address_of(program)} has no part in a swap of ours")
    if rules.pools is not None and swap.pool not in rules.pools:
        raise UnsafeMessageError(f"pool {address_of(swap.pool)} is not one that we trade with")
    _demand(swap.amount > 0 and swap.threshold > 0, "a swap without an amount or a threshold")
    return swap


def _check_flow(swaps: list[SwapCall], wallet: TradingWallet) -> None:
    """Check where every swap takes from and pays to.

    A delegate's own accounts may hold something between two hops only: what is paid into one is fixed to the
    unit, and all of it goes on.
    """
    between: Counter[Pubkey] = Counter()
    is_ours = False
    for swap in swaps:
        _demand(swap.authority == wallet.authority, "a swap that another wallet pays for")
        _demand(swap.input_account != swap.output_account, "a swap into the account that pays")
        given = _holder(swap.input_account, swap.mints, wallet)
        got = _holder(swap.output_account, swap.mints, wallet)
        is_ours = is_ours or got == wallet.owner
        if given != wallet.owner:
            _demand(swap.mode is Exact.IN, "a desk's account that gives an open amount")
            between[swap.input_account] -= swap.amount
            # What a hop takes was paid by the one before it: never what the desk holds besides.
            _demand(between[swap.input_account] >= 0, "a desk's account that gives more than it got")
        if got != wallet.owner:
            _demand(swap.mode is Exact.OUT, "a desk's account that gets an open amount")
            between[swap.output_account] += swap.amount
    _demand(not any(between.values()), "something would stay with the desk")
    _demand(is_ours, "nothing is paid to the wallet's owner")


def _holder(account: Pubkey, mints: tuple[Pubkey, Pubkey], wallet: TradingWallet) -> Pubkey:
    """Return whose associated token account of one of a pool's mints this is: the owner's or the signer's."""
    for holder in (wallet.owner, wallet.authority):
        for mint in mints:
            for program in (TOKEN, *(TOKEN_PROGRAMS - {TOKEN})):
                if associated_token_account(holder, mint, program) == account:
                    return holder
    raise UnsafeMessageError(f"{address_of(account)} is no account of this wallet's for the pool's tokens")


def _check_created(keys: tuple[Pubkey, ...], data: bytes, wallet: TradingWallet) -> None:
    _demand(data == _CREATE_IDEMPOTENT and len(keys) == _CREATED_ACCOUNTS, "an unknown call for an account")
    payer, account, owner, mint, system, program = keys
    _demand(payer == wallet.authority and owner in set(wallet), "an account for another wallet")
    _demand(system == SYSTEM and program in TOKEN_PROGRAMS, "an account of an unknown program")
    _demand(account == associated_token_account(owner, mint, program), "an account that is not the owner's")


def _check_wrapping(keys: tuple[Pubkey, ...], data: bytes, wallet: TradingWallet) -> None:
    is_transfer = data[:4] == _TRANSFER and len(data) == _TRANSFER_BYTES and len(keys) == 2
    _demand(is_transfer and not wallet.is_delegated, "the system program is asked for more than wrapping SOL")
    to = associated_token_account(wallet.owner, WRAPPED_SOL, TOKEN)
    _demand(keys == (wallet.authority, to), "lamports that leave the wallet")


def _check_token(program: Pubkey, keys: tuple[Pubkey, ...], data: bytes, wallet: TradingWallet) -> None:
    if data == _SYNC_NATIVE:
        own = associated_token_account(wallet.owner, WRAPPED_SOL, TOKEN)
        _demand(program == TOKEN and keys == (own,), "another account's balance is synchronized")
        return
    # The account's own address needs no check: the token program closes one for its owner alone, and only an
    # empty one or one of SOL; where its lamports go is what matters.
    is_close = data == _CLOSE and len(keys) == 3
    _demand(is_close and keys[1:] == (wallet.authority, wallet.authority), "tokens are moved or given away")


def _check_fee(message: ReadMessage, rules: SigningRules) -> None:
    if message.config is not None:
        fee = message.config.priority_fee_lamports
    else:
        numbers = {
            one.data[:1]: int.from_bytes(one.data[1:], "little")
            for one in message.instructions or ()
            if one.program == COMPUTE_BUDGET
        }
        limit = min(numbers.get(bytes([_UNIT_LIMIT]), UNITS_MAX), UNITS_MAX)
        fee = priority_fee(limit, numbers.get(bytes([_UNIT_PRICE]), 0))
    _demand(fee <= rules.fee_lamports_max, f"a priority fee of {fee} lamports")


def _demand(holds: bool, problem: str) -> None:  # noqa: FBT001 - as an assertion that is never left out
    if not holds:
        raise UnsafeMessageError(problem)
