"""``orderflow wallet challenge|register|approve|revoke``.

A wallet of one's own, which the desk trades with.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import click

from chalicelib.adapters import base58
from chalicelib.adapters.solana.instructions import (
    Instruction,
    approve_checked,
    create_token_account,
    revoke,
    wrapped_sol_in,
)
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pda import associated_token_account
from chalicelib.adapters.solana.programs import WRAPPED_SOL
from chalicelib.adapters.solana.registered_wallets import RegisteredWallets
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.wallet_registration import challenge
from chalicelib.domain.amounts import parse_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Token
from infra.cli.keypair import key_in, send
from infra.cli.parameters import Account, Address, wrong
from infra.cli.session import CliSession
from infra.cli.solana_nodes import SolanaNodes, rpc_options
from infra.cli.wallet_facts import delegated_accounts, token_named, units_in
from infra.cli.wallet_owner import desk_of, seed_of

SITE: Final = "Orderflow"
"""What the wallet's user reads in the text that is signed."""

REVOKED_MAX: Final = 20
"""Approvals that a transaction takes back: there is room for 27 in its 1,232 bytes, and less with a bid."""

_seed_option = click.option(
    "--wallet-seed", envvar="WALLET_SEED", help="Default: that of the running runtime."
)
_keypair_option = click.option(
    "--keypair",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The wallet's key, as solana-keygen writes it.",
)
_account_option = click.option(
    "--account", "account_id", type=Account(), required=True, help="Whose wallet it is to be."
)


@click.command("challenge")
@_account_option
@click.option("--address", type=Address(), required=True, help="The wallet's.")
@_seed_option
@click.pass_obj
def challenge_command(
    session: CliSession, /, *, account_id: str, address: str, wallet_seed: str | None
) -> None:
    """Print the text that a wallet signs to be an account's; it is good for five minutes.

    Keep it to the last character: ./orderflow wallet challenge ... > text, sign it, then register with
    --text.
    """
    secret = seed_of(session, wallet_seed)
    try:
        text = challenge(account_id, pubkey(address), datetime.now(UTC), secret=secret, site=SITE)
    except (ValueError, FieldError) as error:
        raise click.ClickException(str(error)) from error
    session.show({"text": text}, lambda _: click.echo(text, nl=False))


@click.command()
@_account_option
@click.option(
    "--keypair",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The wallet's key, as solana-keygen writes it: signs the challenge here.",
)
@click.option("--address", type=Address(), help="The wallet's, where it signs elsewhere.")
@click.option("--text", "text_file", type=click.File("r"), help="The challenge that was signed elsewhere.")
@click.option("--signature", help="Base58 of its signature: signMessage, or solana sign-offchain-message.")
@_seed_option
@click.pass_obj
def register(
    session: CliSession,
    /,
    *,
    account_id: str,
    keypair: Path | None,
    address: str | None,
    text_file: Any,
    signature: str | None,
    wallet_seed: str | None,
) -> None:
    """Make a wallet an account's, for the desk to trade with (SOLANA_SIGNER=desk)."""
    secret, now = seed_of(session, wallet_seed), datetime.now(UTC)
    try:
        if keypair is not None:
            key = key_in(keypair)
            owner, text = key.key, challenge(account_id, key.key, now, secret=secret, site=SITE)
            signed = key.sign(text.encode())
        elif address and text_file and signature:
            owner, text, signed = pubkey(address), _read(text_file), _decoded(signature)
        else:
            raise click.UsageError("either --keypair, or --address, --text and --signature")
        is_new = RegisteredWallets(session.engine).register(
            account_id, owner, text=text, signature=signed, now=now, secret=secret, site=SITE
        )
    except (ValueError, FieldError) as error:
        raise click.ClickException(str(error)) from error
    facts = {"account": account_id, "wallet": address_of(owner), "new": is_new}
    next_step = "approve the desk: ./orderflow wallet approve --keypair FILE --token USDC --amount 100"
    told = f"{facts['wallet']} is {account_id}'s{'' if is_new else ', as it was'}. Next, {next_step}"
    session.show(facts, lambda console: console.print(told, highlight=False, soft_wrap=True))


@click.command()
@_keypair_option
@click.option(
    "--token", "symbol", required=True, help="Of which, or its mint; SOL is wrapped as far as too little is."
)
@click.option(
    "--amount", required=True, help="So much in all, in tokens; it replaces what was approved before."
)
@click.option(
    "--desk", type=Address(), help="The desk's address.  [default: by SOLANA_DESK_KMS_KEY, else WALLET_SEED]"
)
@_seed_option
@rpc_options
@click.pass_obj
def approve(
    session: CliSession,
    /,
    *,
    keypair: Path,
    symbol: str,
    amount: str,
    desk: str | None,
    wallet_seed: str | None,
    **options: Any,
) -> None:
    """Let the desk swap up to an amount of the wallet's tokens; they stay the wallet's until then."""
    solana, key = SolanaNodes(session, **options), key_in(keypair)
    try:
        token, program = _named(solana, symbol)
        units = parse_units(amount, token.scale, field="--amount")
    except FieldError as error:
        raise wrong(error.details[0].field, error) from error
    delegate = pubkey(desk) if desk else desk_of(session, wallet_seed)
    mint = pubkey(token.mint)
    account = associated_token_account(key.key, mint, program)
    first: tuple[Instruction, ...] = (create_token_account(key.key, key.key, mint, program),)
    if mint == WRAPPED_SOL:
        first = wrapped_sol_in(key.key, key.key, mint, max(0, units - _held(solana, account)))
    call = approve_checked(
        account, mint, delegate, key.key, amount=units, decimals=token.scale, token_program=program
    )
    signature = send(solana.nodes, key, [*first, call])
    _show_sent(session, signature, told=f"the desk may swap {amount} {token.symbol}")


@click.command("revoke")
@click.option("--account", "account_id", type=Account(), help="End this account's registration.")
@click.option(
    "--keypair",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take back what this wallet approved, on chain.",
)
@click.option("--token", "symbol", help="Of this token, or mint, alone.  [default: all]")
@rpc_options
@click.pass_obj
def revoke_command(
    session: CliSession,
    /,
    *,
    account_id: str | None,
    keypair: Path | None,
    symbol: str | None,
    **options: Any,
) -> None:
    """End a registration, what the desk may swap, or both. On chain it holds from the next block on."""
    if account_id is None and keypair is None:
        raise click.UsageError(
            "--account ends a registration, --keypair an approval on chain: which of them?"
        )
    if keypair is not None:
        solana, key = SolanaNodes(session, **options), key_in(keypair)
        sent = _sent_in_parts(solana, key, _revocations(solana, key.key, symbol))
        _show_sent(session, *sent, told="revoked on chain")
    if account_id is not None:
        was = RegisteredWallets(session.engine).revoke(account_id)
        facts = {"account": account_id, "wallet": was}
        told = f"{was} is {account_id}'s no more" if was else f"{account_id} had no wallet registered"
        session.show(facts, lambda console: console.print(told, highlight=False, soft_wrap=True))


def _read(text_file: TextIO) -> str:
    try:
        return text_file.read()
    except ValueError as error:
        raise wrong("--text", "is no text in UTF-8") from error


def _decoded(signature: str) -> bytes:
    try:
        return base58.decode(signature)
    except ValueError as error:
        raise wrong("--signature", error) from error


def _revocations(solana: SolanaNodes, owner: Pubkey, symbol: str | None) -> list[Instruction]:
    try:
        mint = None if symbol is None else pubkey(solana.tokens.named_or_new(symbol, field="--token").mint)
        found = delegated_accounts(solana, owner, mint)
    except FieldError as error:
        raise wrong(error.details[0].field, error) from error
    except NodeError as error:
        raise click.ClickException(f"no node answers: {error}") from error
    if not found:
        of = "" if symbol is None else f" for its {symbol}"
        raise click.ClickException(f"{address_of(owner)} has approved no delegate{of}")
    return [revoke(account, owner, program) for account, program in found]


def _sent_in_parts(solana: SolanaNodes, key: SeedKey, calls: Sequence[Instruction]) -> list[str]:
    sent: list[str] = []
    for start in range(0, len(calls), REVOKED_MAX):
        try:
            sent.append(send(solana.nodes, key, calls[start : start + REVOKED_MAX]))
        except click.ClickException as error:
            if sent:
                done = f"{start} of {len(calls)} are revoked ({', '.join(sent)}); the next: {error.message}"
                raise click.ClickException(done) from error
            raise
    return sent


def _named(solana: SolanaNodes, symbol: str) -> tuple[Token, Pubkey]:
    try:
        return token_named(solana, symbol)
    except NodeError as error:
        raise click.ClickException(f"no node answers: {error}") from error


def _held(solana: SolanaNodes, account: Pubkey) -> int:
    try:
        return units_in(solana, account)
    except NodeError as error:
        raise click.ClickException(f"no node answers: {error}") from error


def _show_sent(session: CliSession, *signatures: str, told: str) -> None:
    facts = {"txSignature": signatures[-1], "txSignatures": signatures}
    line = f"{told}: {', '.join(signatures)}"
    session.show(facts, lambda console: console.print(line, highlight=False, soft_wrap=True))
