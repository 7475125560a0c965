"""What a wallet holds when a transaction is built, and whether that is enough for it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import Accounts, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import TOKEN, WRAPPED_SOL
from chalicelib.adapters.solana.tokens import Mint, TokenAccount, token_account_of
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import Code, PlanOutdatedError, RefusedError

RESERVE_LAMPORTS_MIN: Final = 5_000_000
"""Left beside what is wrapped at the least, so that the wallet can go on trading."""

# The dearest rate so far: clusters lower it in steps (SIMD-0437), and nothing is asked for the one in force.
_RENT_LAMPORTS_PER_BYTE: Final = 6_960
# The last of those steps: less is asked for on no cluster.
_RENT_LAMPORTS_PER_BYTE_MIN: Final = 696
_RENT_OVERHEAD_BYTES: Final = 128
_TOKEN_ACCOUNT_BYTES: Final = 165
# With each extension that an account may need by its mint: immutable owner, transfer fee, hook, pausable.
_EXTENDED_ACCOUNT_BYTES: Final = 191


class Holdings(NamedTuple):
    """Lamports of who signs, and token accounts by address: None where there is none."""

    lamports: int
    accounts: Mapping[Pubkey, TokenAccount | None]

    def has(self, account: Pubkey) -> bool:
        return self.accounts.get(account) is not None


class Opened(NamedTuple):
    """A token account that a transaction makes.

    Attributes:
        stays: It is not closed again at the transaction's end.
    """

    place: Pubkey
    mint: Mint
    stays: bool

    @property
    def rent_lamports(self) -> int:
        """What its making takes, at the most."""
        return _rent(_TOKEN_ACCOUNT_BYTES if self.mint.program == TOKEN else _EXTENDED_ACCOUNT_BYTES)

    @property
    def rent_lamports_min(self) -> int:
        return _rent(_TOKEN_ACCOUNT_BYTES, _RENT_LAMPORTS_PER_BYTE_MIN)


class SolIn(NamedTuple):
    """How SOL gets into the wrapped-SOL account: so many lamports are moved there."""

    wrapped_lamports: int


def holdings_of(wallet: TradingWallet, mints: Sequence[Mint], accounts: Accounts) -> Holdings:
    """Return what was read for a wallet; an account that is no token account counts as none."""
    payer = accounts.get(wallet.authority)
    found: dict[Pubkey, TokenAccount | None] = {}
    for key in keys_of(wallet, mints)[1:]:
        account = accounts.get(key)
        try:
            found[key] = None if account is None else token_account_of(account)
        except UnsupportedPoolError:
            found[key] = None
    return Holdings(payer.lamports if payer else 0, found)


def keys_of(wallet: TradingWallet, mints: Sequence[Mint]) -> tuple[Pubkey, ...]:
    """Return what has to be read: who signs, then the owner's and the signer's accounts of each token."""
    found = [wallet.authority]
    for mint in mints:
        for key in (wallet.account(mint.key, mint.program), wallet.between(mint.key, mint.program)):
            if key not in found:
                found.append(key)
    return tuple(found)


def funded(
    wallet: TradingWallet,
    mint: Mint,
    symbol: str,
    units: int,
    holdings: Holdings,
    *,
    fee_lamports: int,
    opened: Sequence[Opened] = (),
) -> SolIn | None:
    """Return how the input gets where it is taken from; None if it is there.

    Native SOL is wrapped for a wallet that signs for itself. A wallet that has not enough of it for the whole
    uses what it has wrapped before. A delegate moves tokens only, so its owner wraps.

    Args:
        opened: The accounts that the transaction makes: what is wrapped leaves their rent, and the wallet's.

    Raises:
        RefusedError: The wallet does not hold enough, its account is frozen, or the delegate may not.
        PlanOutdatedError: The delegate cannot pay for the transaction now: of that no owner's order ends.
    """
    key = wallet.account(mint.key, mint.program)
    account = holdings.accounts.get(key)
    _check_lamports(wallet, holdings.lamports - fee_lamports, opened)
    if account is not None and account.is_frozen:
        raise RefusedError(Code.INSUFFICIENT_FUNDS, f"the account of {symbol} is frozen")
    held = account.amount if account is not None else 0
    if wallet.is_delegated:
        _check_allowance(wallet, account, symbol, units)
    elif mint.key == WRAPPED_SOL:
        rent = sum(one.rent_lamports for one in opened) + _rent(0)
        free = max(0, holdings.lamports - max(RESERVE_LAMPORTS_MIN, rent) - fee_lamports)
        if free >= units:
            return SolIn(units)
        if held + free >= units:
            return SolIn(max(0, units - held))
    if held < units:
        raise RefusedError(Code.INSUFFICIENT_FUNDS, f"the account does not hold enough {symbol}")
    return None


def spent(
    wallet: TradingWallet,
    mint: Mint,
    units: int,
    holdings: Holdings,
    sol_in: SolIn | None,
    *,
    fee_lamports: int,
    opened: Sequence[Opened] = (),
) -> Holdings:
    """Return what is left for the wallet's next transaction if this one takes all that it may.

    An account that this one makes is there for the next, which must not close it: it may hold something.
    """
    wrapped = sol_in.wrapped_lamports if sol_in is not None else 0
    key = wallet.account(mint.key, mint.program)
    accounts = dict(holdings.accounts)
    account = accounts.get(key)
    if account is not None:
        taken = units - wrapped
        accounts[key] = account._replace(
            amount=max(0, account.amount - taken), delegated_amount=max(0, account.delegated_amount - taken)
        )
    stay = [one for one in opened if one.stays]
    for one in stay:
        accounts[one.place] = _empty(one.mint, wallet.owner)
    rent = sum(one.rent_lamports for one in stay)
    return Holdings(max(0, holdings.lamports - wrapped - fee_lamports - rent), accounts)


def _empty(mint: Mint, owner: Pubkey) -> TokenAccount:
    return TokenAccount(mint.key, owner, amount=0, is_frozen=False, delegate=None, delegated_amount=0)


def _rent(data_bytes: int, per_byte: int = _RENT_LAMPORTS_PER_BYTE) -> int:
    return (data_bytes + _RENT_OVERHEAD_BYTES) * per_byte


def _check_lamports(wallet: TradingWallet, left: int, opened: Sequence[Opened]) -> None:
    """Raise if who signs cannot pay; what is surely too little would cost a fee, or never land.

    Args:
        left: Lamports less the network's fee.
    """
    if wallet.is_delegated:
        if left < sum(one.rent_lamports for one in opened) + _rent(0):
            raise PlanOutdatedError("the desk holds too little SOL to pay for the transaction")
        return
    # A wallet may be left with nothing, or with what an account has to hold, and with nothing between.
    needed = max(_rent(0, _RENT_LAMPORTS_PER_BYTE_MIN), sum(one.rent_lamports_min for one in opened))
    if left < needed and (left or opened):
        raise RefusedError(
            Code.INSUFFICIENT_FUNDS,
            "the wallet does not hold enough SOL for the network's fee and the accounts that the swap opens",
        )


def _check_allowance(wallet: TradingWallet, account: TokenAccount | None, symbol: str, units: int) -> None:
    # A chain that says so later would take a fee for it: a revoked approval is not a fault.
    if account is None or account.delegate != wallet.authority:
        raise RefusedError(Code.INSUFFICIENT_FUNDS, f"the wallet has not approved the desk for its {symbol}")
    if account.delegated_amount < units:
        raise RefusedError(
            Code.INSUFFICIENT_FUNDS, f"the wallet has approved less {symbol} than the order takes"
        )
