"""What a wallet holds, and what it has approved the desk for, read as of one slot."""

from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.solana.accounts import Account, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import TOKEN, TOKEN_2022
from chalicelib.adapters.solana.rpc_answers import accounts_at
from chalicelib.adapters.solana.rpc_calls import ACCOUNTS_MAX, get_multiple_accounts
from chalicelib.adapters.solana.tokens import TokenAccount, token_account_of
from chalicelib.domain.amounts import format_units
from infra.cli.solana_nodes import TIME_LIMIT_S, SolanaNodes

SOL_SCALE: Final = 9


def read(solana: SolanaNodes, keys: Sequence[Pubkey]) -> list[Account | None]:
    """Return accounts, None where there is none.

    Raises:
        NodeError: No node answers.
    """
    found: list[Account | None] = []
    for start in range(0, len(keys), ACCOUNTS_MAX):
        some = keys[start : start + ACCOUNTS_MAX]
        answer = solana.nodes.ask(get_multiple_accounts(some), time_limit_s=TIME_LIMIT_S)
        found += accounts_at(answer, len(some)).accounts
    return found


def token_programs(solana: SolanaNodes) -> dict[str, Pubkey]:
    """Return the token program of each token whose mint is on this chain, by symbol."""
    tokens = list(solana.tokens)
    mints = read(solana, [pubkey(token.mint) for token in tokens])
    return {
        token.symbol: mint.owner
        for token, mint in zip(tokens, mints, strict=True)
        if mint is not None and mint.owner in {TOKEN, TOKEN_2022}
    }


def wallet_facts(solana: SolanaNodes, wallet: Pubkey, desk: Pubkey | None) -> dict[str, Any]:
    """Return SOL and the balance of each token; and with a desk, how much of it that may move.

    Raises:
        NodeError: No node answers.
    """
    programs = token_programs(solana)
    keys = [
        associated_token_account(wallet, pubkey(solana.tokens[symbol].mint), program)
        for symbol, program in programs.items()
    ]
    payer, *accounts = read(solana, [wallet, *keys])
    balances = []
    for symbol, account in zip(programs, accounts, strict=True):
        held = _token_account(account)
        scale = solana.tokens[symbol].scale
        row = {"token": symbol, "balance": format_units(held.amount if held else 0, scale)}
        if desk is not None:
            may = held.delegated_amount if held and held.delegate == desk else 0
            row["allowance"] = format_units(may, scale)
        if held is not None:
            row["account"] = address_of(keys[list(programs).index(symbol)])
        balances.append(row)
    return {
        "wallet": address_of(wallet),
        "sol": format_units(payer.lamports if payer else 0, SOL_SCALE),
        "tokens": balances,
        "missing": sorted(token.symbol for token in solana.tokens if token.symbol not in programs),
    }


def delegated_accounts(
    solana: SolanaNodes, wallet: Pubkey, symbol: str | None
) -> list[tuple[Pubkey, Pubkey]]:
    """Return the wallet's token accounts that it has approved a delegate for, of one token or of all.

    Each comes with its token program. Raises ``NodeError`` if no node answers.
    """
    programs = token_programs(solana)
    keys = [
        (associated_token_account(wallet, pubkey(solana.tokens[one].mint), program), program)
        for one, program in programs.items()
        if symbol is None or one.upper() == symbol.upper()
    ]
    accounts = read(solana, [key for key, _ in keys])
    held = zip(keys, map(_token_account, accounts), strict=True)
    return [pair for pair, account in held if account is not None and account.delegate is not None]


def _token_account(account: Account | None) -> TokenAccount | None:
    try:
        return None if account is None else token_account_of(account)
    except UnsupportedPoolError:
        return None
