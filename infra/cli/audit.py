"""``orderflow audit``: check a whole database."""

import sys
from dataclasses import asdict

import click
from rich.console import Console

from chalicelib.adapters.audit_checks import Violation
from chalicelib.bootstrap.audit import checks
from chalicelib.config import ChainName
from infra.cli.session import CliSession


@click.command(name="audit")
@click.option(
    "--finished", "must_be_finished", is_flag=True, help="Count an unfinished order as a violation too."
)
@click.option(
    "--wallet-seed",
    envvar="WALLET_SEED",
    help="Prove whose wallet is whose. Default: that of the runtime that is running.",
)
@click.option(
    "--chain",
    type=click.Choice([each.value for each in ChainName]),
    default=ChainName.SIMULATED.value,
    envvar="CHAIN",
    show_default=True,
    show_envvar=True,
    help="Whose market is checked beside the record: of the simulated one the ledger, of Solana nothing.",
)
@click.pass_obj
def audit_command(
    session: CliSession, *, must_be_finished: bool, wallet_seed: str | None, chain: str
) -> None:
    """Check that no order was lost, doubled or forged and that the books balance; exit with 1 if not."""
    chain_name = ChainName(chain)
    seed = wallet_seed or session.running_secret("WALLET_SEED")
    wanted = checks(
        chain_name, must_be_finished=must_be_finished, wallet_seed=seed.encode() if seed else None
    )
    engine = session.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, session.progress() as progress:
        results = [
            (check.name, check.violations(connection))
            for check in progress.track(wanted, description="Checking")
        ]
    facts = [{"check": name, "violations": [asdict(each) for each in found]} for name, found in results]
    needs_seed = chain_name is ChainName.SIMULATED and not seed
    session.show(facts, lambda console: _print(console, results, needs_seed=needs_seed))
    if any(found for _, found in results):
        sys.exit(1)


def _print(console: Console, results: list[tuple[str, list[Violation]]], *, needs_seed: bool) -> None:
    for name, violations in results:
        console.print(
            f"{'[red]broken[/]' if violations else '[green]holds[/] '}  {name}",
            highlight=False,
            soft_wrap=True,
        )
        for each in violations:
            console.print(f"          {each.subject}: {each.problem}", highlight=False, soft_wrap=True)
    if needs_seed:
        console.print("Without WALLET_SEED nothing proves that a wallet is its account's.", highlight=False)
