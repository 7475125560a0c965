"""``orderflow market``: see the simulated market, open it, move it, break it, bring it back."""

import json
import time
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults
from chalicelib.adapters.simulated_market.seed import reset, seed
from infra.cli.columns import column_lines
from infra.cli.market_facts import market_facts
from infra.cli.market_launch import launch_command
from infra.cli.market_maker import MarketMaker, random_walk, read_path
from infra.cli.market_move import move
from infra.cli.session import CliSession, is_given


@click.group()
def market() -> None:
    """The simulated market: pools, prices and depth."""


@market.command()
@click.option("--pair", help="Only this one, such as SOL/USDC.")
@click.option("--wide", "is_wide", is_flag=True, help="Whole names of the pools.")
@click.pass_obj
def show(session: CliSession, pair: str | None, *, is_wide: bool) -> None:
    """Show each pool's price and what it holds, and how far venues are apart."""
    facts = [found for found in market_facts(session.engine) if pair in (None, found["pair"])]
    if not facts and pair is None:
        raise click.ClickException(
            "there is no simulated market here: with CHAIN=solana it is `orderflow pools show`"
        )
    session.show(facts, lambda console: _print_pairs(console, facts, is_wide=is_wide))


@market.command("seed")
@click.pass_obj
def seed_command(session: CliSession) -> None:
    """Open the pools that are defined and not there yet; safe to repeat."""
    _report(session, "opened", seed(session.engine, load_market()))


@market.command("reset")
@click.pass_obj
def reset_command(session: CliSession) -> None:
    """Bring all pools back to how they are defined; wallets and past transactions stay."""
    _report(session, "reset", reset(session.engine, load_market()))


@market.command()
@click.option("--csv", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A price path: a column per token, a row per step. Default: a random walk.")  # fmt: skip
@click.option("--seed", "walk_seed", default=1, show_default=True, help="Of the random walk.")
@click.option("--steps", default=100, show_default=True, help="Of the random walk.")
@click.option("--volatility-bps", default=10.0, show_default=True, help="Of a token per step.")
@click.option("--interval", "interval_s", default=0.4, show_default=True, help="Seconds between steps.")
@click.pass_obj
def replay(
    session: CliSession,
    file: Path | None,
    walk_seed: int,
    steps: int,
    volatility_bps: float,
    interval_s: float,
) -> None:
    """Move prices along a path, by trading: the books balance all the while.

    The path starts from the prices that the pools opened with.
    """
    unused = [name for name in ("walk_seed", "steps", "volatility_bps") if file and is_given(name)]
    if unused:
        raise click.UsageError("--seed, --steps and --volatility-bps are of a random walk, and --csv is none")
    definition = load_market()
    tokens = [token.symbol for token in definition.tokens]
    try:
        path = (
            read_path(file)
            if file
            else list(random_walk(tokens, steps=steps, volatility_bps=volatility_bps, seed=walk_seed))
        )
    except ValueError as error:
        raise click.ClickException(f"{file} is not a price path: {error}") from error
    maker, trades = MarketMaker(session.engine, definition), 0
    with session.progress() as progress:
        for number, step in enumerate(progress.track(path, description="moving prices")):
            if number:
                time.sleep(interval_s)
            trades += maker.move_to(step, int(time.time()))
    _report(session, "traded", trades)


@market.command()
@click.argument("settings", required=False)
@click.pass_obj
def faults(session: CliSession, settings: str | None) -> None:
    """Show the faults in force, or set them: '{"drop_rate": 0.1, "venues": {"raydium": {"is_down": true}}}'.

    '{}' turns all of them off.
    """
    board, adapter = FaultBoard(session.engine), TypeAdapter(Faults)
    if settings is not None:
        try:
            board.set(adapter.validate_json(settings))
        except ValidationError as error:
            raise click.ClickException(str(error)) from error
    in_force = adapter.dump_python(board.current(), mode="json")
    session.show(in_force, lambda console: console.print_json(json.dumps(in_force)))


market.add_command(move)
market.add_command(launch_command)


def _report(session: CliSession, verb: str, count: int) -> None:
    session.show({verb: count}, lambda console: console.print(f"{count} pools {verb}"))


def _print_pairs(console: Console, pairs: list[dict[str, Any]], *, is_wide: bool) -> None:
    for number, pair in enumerate(pairs):
        base, quote = pair["pair"].split("/")
        # The heading has the pair already.
        own = "" if is_wide else f"-{base}-{quote}"
        rows = [
            (each["poolId"].replace(own, "", 1), each["price"], each["base"], each["quote"])
            for each in pair["pools"]
        ]
        heading = "" if number == 0 else "\n"
        console.print(
            f"{heading}{pair['pair']}  spread {pair['spreadBps']} bps", highlight=False, soft_wrap=True
        )
        head = ("pool", "price", f"{base} held", f"{quote} held")
        for line in column_lines(head, rows, right=frozenset({1, 2, 3})):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
