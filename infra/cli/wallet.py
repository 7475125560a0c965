"""``orderflow wallet``: what an account's wallet holds, and money for it where money is nothing."""

from collections.abc import Callable
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Column, Table

from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.programs import Cluster
from chalicelib.adapters.solana.rpc_calls import RpcCall, request_airdrop
from chalicelib.adapters.solana.rpc_errors import NodeError, Remedy
from chalicelib.domain.amounts import parse_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.principals import LOCAL_ACCOUNT
from infra.cli.keypair import landed_by
from infra.cli.parameters import Account, Address, wrong
from infra.cli.session import CliSession
from infra.cli.solana_nodes import TIME_LIMIT_S, SolanaNodes, rpc_options
from infra.cli.wallet_facts import SOL_SCALE, wallet_facts
from infra.cli.wallet_owner import WalletOwner, wallet_of
from infra.cli.wallet_registration import approve, challenge_command, register, revoke_command

_FAUCET: Final = "https://faucet.solana.com"


@click.group()
def wallet() -> None:
    """Wallets on Solana: addresses, balances, allowances, and registering one's own."""


for _command in (challenge_command, register, approve, revoke_command):
    wallet.add_command(_command)


def owner_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say whose wallet is meant."""
    for option in (
        click.option(
            "--account",
            "account_id",
            type=Account(),
            default=LOCAL_ACCOUNT,
            show_default=True,
            help="Whose wallet.",
        ),
        click.option("--address", type=Address(), help="This wallet, of whichever account."),
        click.option(
            "--signer",
            type=click.Choice(["seed", "desk"]),
            default="seed",
            envvar="SOLANA_SIGNER",
            show_default=True,
            show_envvar=True,
            help="Whose key signs: the account's own, or the desk's for the wallet that it has registered.",
        ),
        click.option("--wallet-seed", envvar="WALLET_SEED", help="Default: that of the running runtime."),
    ):
        command = option(command)
    return command


@wallet.command()
@owner_options
@rpc_options
@click.pass_obj
def show(
    session: CliSession,
    /,
    *,
    account_id: str,
    address: str | None,
    signer: str,
    wallet_seed: str | None,
    **options: Any,
) -> None:
    """Show a wallet's address, SOL and tokens, and what the desk may move of them."""
    solana = SolanaNodes(session, **options)
    owner = wallet_of(session, account_id, address=address, signer=signer, wallet_seed=wallet_seed)
    try:
        facts = {"cluster": solana.cluster.value, **wallet_facts(solana, owner.wallet, owner.desk)}
    except NodeError as error:
        raise click.ClickException(f"no node answers: {error}") from error
    if owner.desk is not None:
        facts |= {"desk": address_of(owner.desk), "registered": owner.is_registered}
    facts["hints"] = list(_hints(facts, owner, account_id, solana.cluster))
    session.show(facts, lambda console: _print(console, facts))


@wallet.command()
@click.option("--sol", default="1", show_default=True, help="So much SOL.")
@owner_options
@rpc_options
@click.pass_obj
def airdrop(
    session: CliSession,
    /,
    *,
    sol: str,
    account_id: str,
    address: str | None,
    signer: str,
    wallet_seed: str | None,
    **options: Any,
) -> None:
    """Get SOL from the chain's faucet; on the local chain some of every token, too."""
    solana = SolanaNodes(session, **options)
    owner = wallet_of(session, account_id, address=address, signer=signer, wallet_seed=wallet_seed)
    try:
        lamports = parse_units(sol, SOL_SCALE, field="--sol")
    except FieldError as error:
        raise wrong("--sol", error) from error
    if solana.cluster is Cluster.MAINNET:
        raise click.ClickException("mainnet gives nothing away: send SOL to the wallet's address")
    facts = {"wallet": address_of(owner.wallet), "funded": _fund(solana, owner), "txSignature": None}
    if not facts["funded"]:
        facts["txSignature"] = _ask_for(solana, owner, lamports)
    told = "SOL and tokens" if facts["funded"] else f"{sol} SOL"
    session.show(
        facts,
        lambda console: console.print(
            f"{facts['wallet']} has got {told}: ./orderflow wallet show", highlight=False, soft_wrap=True
        ),
    )


def _fund(solana: SolanaNodes, owner: WalletOwner) -> bool:
    """Return whether this is a local chain of ours, which funds whole wallets."""
    call = RpcCall("chain_fund", (address_of(owner.wallet),))
    try:
        solana.nodes.ask(call, time_limit_s=TIME_LIMIT_S)
    except NodeError as error:
        if error.remedy is Remedy.DEFECT:
            return False
        raise click.ClickException(f"no node answers: {error}") from error
    return True


def _ask_for(solana: SolanaNodes, owner: WalletOwner, lamports: int) -> str:
    try:
        signature = str(solana.nodes.ask(request_airdrop(owner.wallet, lamports), time_limit_s=TIME_LIMIT_S))
        landed_by(solana.nodes, signature, None)
    except NodeError as error:
        raise click.ClickException(
            f"the faucet gave nothing ({error}). Public ones give little a day: try less with --sol, later, "
            f"or {_FAUCET} with {address_of(owner.wallet)}"
        ) from error
    return signature


def _hints(facts: dict[str, Any], owner: WalletOwner, account_id: str, cluster: Cluster) -> Any:
    """Yield what to do next."""
    if owner.desk is not None and not owner.is_registered:
        yield (
            f"{account_id} has registered no wallet, and this is the desk's own: "
            f"./orderflow wallet register --account {account_id} --keypair FILE"
        )
    elif owner.desk is not None and not any(float(row["allowance"]) for row in facts["tokens"]):
        yield "The desk may move nothing: ./orderflow wallet approve --keypair FILE --token USDC --amount 100"
    if not float(facts["sol"]):
        is_free = cluster is not Cluster.MAINNET
        yield "It has no SOL for fees: " + ("./orderflow wallet airdrop" if is_free else "send it some")
        if cluster is Cluster.LOCAL:
            yield "The local chain also funds a wallet with the first order that it signs."
    if facts["missing"]:
        yield (
            f"No mint of this chain: {', '.join(facts['missing'])}. Tokens have other mints on each cluster: "
            "list those of this one in a file, for TOKENS_FILE to name"
        )


def _print(console: Console, facts: dict[str, Any]) -> None:
    console.print(f"{facts['wallet']} on {facts['cluster']}", highlight=False)
    has_desk = "desk" in facts
    if has_desk:
        console.print(f"desk {facts['desk']}", highlight=False)
    console.print(f"{facts['sol']} SOL", highlight=False)
    table = Table(
        "token", "balance", *(["the desk may move"] if has_desk else []), Column("account", overflow="fold")
    )
    for row in facts["tokens"]:
        may = [row["allowance"]] if has_desk else []
        table.add_row(row["token"], row["balance"], *may, row.get("account", "none yet"))
    console.print(table)
    for hint in facts["hints"]:
        console.print(hint, highlight=False, soft_wrap=True)
