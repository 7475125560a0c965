"""``orderflow audit``: check a whole database."""

import sys
from dataclasses import asdict

import click
from rich.console import Console

from chalicelib.adapters.postgres.audit import NAMES, Violation, audit
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
@click.pass_obj
def audit_command(session: CliSession, *, must_be_finished: bool, wallet_seed: str | None) -> None:
    """Check that no order was lost, doubled or forged and that the books balance; exit with 1 if not."""
    seed = wallet_seed or session.running_secret("WALLET_SEED")
    names = NAMES if must_be_finished else NAMES[:-1]
    results: list[tuple[str, list[Violation]]] = []
    engine = session.engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection, session.progress() as progress:
        for name, violations in zip(
            progress.track(names, description="Checking"),
            audit(connection, must_be_finished=must_be_finished, wallet_seed=seed.encode() if seed else None),
            strict=True,
        ):
            results.append((name, violations))
    facts = [{"check": name, "violations": [asdict(each) for each in found]} for name, found in results]
    session.show(facts, lambda console: _print(console, results, is_seed_known=bool(seed)))
    if any(found for _, found in results):
        sys.exit(1)


def _print(console: Console, results: list[tuple[str, list[Violation]]], *, is_seed_known: bool) -> None:
    for name, violations in results:
        console.print(
            f"{'[red]broken[/]' if violations else '[green]holds[/] '}  {name}",
            highlight=False,
            soft_wrap=True,
        )
        for each in violations:
            console.print(f"          {each.subject}: {each.problem}", highlight=False, soft_wrap=True)
    if not is_seed_known:
        console.print("Without WALLET_SEED nothing proves that a wallet is its account's.", highlight=False)
