"""What a wallet holds when a transaction is built, and whether that is enough for it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import Accounts, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.programs import WRAPPED_SOL
from chalicelib.adapters.solana.tokens import Mint, TokenAccount, token_account_of
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import Code, RefusedError

RENT_RESERVE_LAMPORTS: Final = 5_000_000
"""Left beside what is wrapped: two token accounts' rent at the dearest rate so far, and fees."""


class Holdings(NamedTuple):
    """Lamports of who signs, and token accounts by address: None where there is none."""

    lamports: int
    accounts: Mapping[Pubkey, TokenAccount | None]

    def has(self, account: Pubkey) -> bool:
        return self.accounts.get(account) is not None


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
    wallet: TradingWallet, mint: Mint, symbol: str, units: int, holdings: Holdings, *, fee_lamports: int
) -> SolIn | None:
    """Return how the input gets where it is taken from; None if it is there.

    Native SOL is wrapped for a wallet that signs for itself. A wallet that has not enough of it for the whole
    uses what it has wrapped before. A delegate moves tokens only, so its owner wraps.

    Raises:
        RefusedError: The wallet does not hold enough, its account is frozen, or the delegate may not.
    """
    key = wallet.account(mint.key, mint.program)
    account = holdings.accounts.get(key)
    if holdings.lamports < fee_lamports:
        raise RefusedError(Code.INSUFFICIENT_FUNDS, "the wallet that signs does not hold the network's fee")
    if account is not None and account.is_frozen:
        raise RefusedError(Code.INSUFFICIENT_FUNDS, f"the account of {symbol} is frozen")
    held = account.amount if account is not None else 0
    if wallet.is_delegated:
        _check_allowance(wallet, account, symbol, units)
    elif mint.key == WRAPPED_SOL:
        free = max(0, holdings.lamports - RENT_RESERVE_LAMPORTS - fee_lamports)
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
) -> Holdings:
    """Return what is left for the wallet's next transaction if this one takes all that it may."""
    wrapped = sol_in.wrapped_lamports if sol_in is not None else 0
    key = wallet.account(mint.key, mint.program)
    accounts = dict(holdings.accounts)
    account = accounts.get(key)
    if account is not None:
        taken = units - wrapped
        accounts[key] = account._replace(
            amount=max(0, account.amount - taken), delegated_amount=max(0, account.delegated_amount - taken)
        )
    return Holdings(max(0, holdings.lamports - wrapped - fee_lamports), accounts)


def _check_allowance(wallet: TradingWallet, account: TokenAccount | None, symbol: str, units: int) -> None:
    # A chain that says so later would take a fee for it: a revoked approval is not a fault.
    if account is None or account.delegate != wallet.authority:
        raise RefusedError(Code.INSUFFICIENT_FUNDS, f"the wallet has not approved the desk for its {symbol}")
    if account.delegated_amount < units:
        raise RefusedError(
            Code.INSUFFICIENT_FUNDS, f"the wallet has approved less {symbol} than the order takes"
        )
