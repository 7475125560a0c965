"""``orderflow market``: see the simulated market, open it, and bring it back to its start."""

import click
from rich.console import Console

from chalicelib.adapters.market.definition import load_market
from chalicelib.adapters.market.seed import reset, seed
from infra.cli.session import Session


@click.group()
def market() -> None:
    """The simulated market: pools, prices and depth."""


@market.command("seed")
@click.pass_obj
def seed_command(session: Session) -> None:
    """Open the pools that are defined and not there yet; safe to repeat."""
    _report(session, "opened", seed(session.engine, load_market()))


@market.command("reset")
@click.pass_obj
def reset_command(session: Session) -> None:
    """Bring all pools back to how they are defined; wallets and past transactions stay."""
    _report(session, "reset", reset(session.engine, load_market()))


def _report(session: Session, verb: str, count: int) -> None:
    def for_people(console: Console) -> None:
        console.print(f"{count} pools {verb}")

    session.show({verb: count}, for_people)
