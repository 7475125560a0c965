"""What a wallet holds, and what it has approved the desk for, read as of one slot."""

from collections.abc import Sequence
from typing import Any, Final

import click

from chalicelib.adapters.solana.accounts import Account, UnsupportedPoolError
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import TOKEN, TOKEN_2022, TOKEN_PROGRAMS
from chalicelib.adapters.solana.rpc_answers import accounts_at, program_accounts
from chalicelib.adapters.solana.rpc_calls import (
    ACCOUNTS_MAX,
    get_multiple_accounts,
    get_token_accounts_by_owner,
)
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.tokens import TokenAccount, mint_of, token_account_of
from chalicelib.domain.amounts import format_units
from chalicelib.domain.tokens import Token, new_token
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
    for symbol, key, account in zip(programs, keys, accounts, strict=True):
        held = _token_account(account)
        scale = solana.tokens[symbol].scale
        row = {"token": symbol, "balance": format_units(held.amount if held else 0, scale)}
        if desk is not None:
            may = held.delegated_amount if held and held.delegate == desk else 0
            row["allowance"] = format_units(may, scale)
        if held is not None:
            row["account"] = address_of(key)
        balances.append(row)
    balances += _unlisted(solana, wallet, desk)
    return {
        "wallet": address_of(wallet),
        "sol": format_units(payer.lamports if payer else 0, SOL_SCALE),
        "tokens": balances,
        "missing": sorted(token.symbol for token in solana.tokens if token.symbol not in programs),
    }


def _unlisted(solana: SolanaNodes, wallet: Pubkey, desk: Pubkey | None) -> list[dict[str, Any]]:
    """Return what a wallet holds, or has approved, of mints in no list, as a sniper order has bought."""
    listed = {pubkey(token.mint) for token in solana.tokens}
    held = {
        key: one
        for key, account in _shown(solana, wallet).items()
        if (one := _token_account(account)) is not None and one.mint not in listed
    }
    mints = list({one.mint for one in held.values() if one.amount or one.delegate is not None})
    scales = {
        key: scale
        for key, mint in zip(mints, read(solana, mints), strict=True)
        if mint is not None and (scale := _decimals(key, mint)) is not None
    }
    rows = []
    for key, one in held.items():
        if one.mint not in scales or not (one.amount or one.delegate is not None):
            continue
        row = {"token": address_of(one.mint), "balance": format_units(one.amount, scales[one.mint])}
        if desk is not None:
            may = one.delegated_amount if one.delegate == desk else 0
            row["allowance"] = format_units(may, scales[one.mint])
        rows.append(row | {"account": address_of(key)})
    return sorted(rows, key=lambda row: (row["token"], row["account"]))


def _decimals(key: Pubkey, mint: Account) -> int | None:
    """Return the decimals of a mint, None of one that cannot be traded."""
    try:
        return mint_of(key, mint).decimals
    except UnsupportedPoolError:
        return None


def delegated_accounts(
    solana: SolanaNodes, wallet: Pubkey, mint: Pubkey | None
) -> list[tuple[Pubkey, Pubkey]]:
    """Return the wallet's token accounts that it has approved a delegate for, of one mint or of all.

    All are those of listed tokens and what the chain shows besides: an approval outlives the list by which it
    was made. Each comes with its token program. Raises ``NodeError`` if no node answers.
    """
    mints = [pubkey(token.mint) for token in solana.tokens] if mint is None else [mint]
    keys = [
        associated_token_account(wallet, one, program) for one in mints for program in (TOKEN, TOKEN_2022)
    ]
    found = dict(zip(keys, read(solana, keys), strict=True))
    if mint is None:
        found |= _shown(solana, wallet)
    return [
        (key, account.owner)
        for key, account in found.items()
        if account is not None and (held := _token_account(account)) is not None and held.delegate is not None
    ]


def _shown(solana: SolanaNodes, wallet: Pubkey) -> dict[Pubkey, Account]:
    """Return what a node shows of a wallet's token accounts: not each one keeps the index for that."""
    found: dict[Pubkey, Account] = {}
    for program in (TOKEN, TOKEN_2022):
        call = get_token_accounts_by_owner(wallet, program)
        try:
            answer = solana.nodes.ask(call, time_limit_s=TIME_LIMIT_S)
            found |= program_accounts(answer.get("value") if isinstance(answer, dict) else None)
        except NodeError as error:
            click.echo(f"mints in no list are not looked for: {error}", err=True)
            break
    return found


def units_in(solana: SolanaNodes, key: Pubkey) -> int:
    """Return what a token account holds, 0 if there is none. Raises ``NodeError`` if no node answers."""
    (account,) = read(solana, [key])
    held = _token_account(account)
    return held.amount if held is not None else 0


def token_named(solana: SolanaNodes, name: str) -> tuple[Token, Pubkey]:
    """Return a token and its token program; one that no list has is named by its mint, and as that says.

    Raises:
        FieldError: It is neither.
        ClickException: The chain has no such mint, or it cannot be traded.
        NodeError: No node answers.
    """
    token = solana.tokens.named_or_new(name, field="--token")
    key, is_listed = pubkey(token.mint), token.symbol in solana.tokens
    (account,) = read(solana, [key])
    if account is None or (is_listed and account.owner not in TOKEN_PROGRAMS):
        hint = ": see TOKENS_FILE" if is_listed else ""
        raise click.ClickException(f"the mint of {token.symbol} is not on {solana.cluster}{hint}")
    if is_listed:
        return token, account.owner
    try:
        return new_token(token.mint, mint_of(key, account).decimals), account.owner
    except UnsupportedPoolError as error:
        raise click.ClickException(f"{name} is no mint that can be traded: {error}") from error


def _token_account(account: Account | None) -> TokenAccount | None:
    try:
        return None if account is None else token_account_of(account)
    except UnsupportedPoolError:
        return None
