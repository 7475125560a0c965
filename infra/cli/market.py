"""``orderflow market``: see the simulated market, open it, move it, break it, bring it back."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard, Faults
from chalicelib.adapters.simulated_market.seed import reset, seed
from chalicelib.adapters.token_list import load_tokens
from infra.cli.columns import column_lines
from infra.cli.market_facts import market_facts
from infra.cli.market_launch import launch_command
from infra.cli.market_maker import MarketMaker, random_walk, read_path
from infra.cli.market_move import move
from infra.cli.parameters import FiniteRange, pair_named, wrong
from infra.cli.price_moves import INTERVAL_S_MAX, STEPS_MAX, VOLATILITY_BPS_MAX
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
    wanted = None
    if pair is not None:
        wanted = {token.symbol for token in pair_named(pair, load_tokens().named_or_new, "--pair")}
    found = market_facts(session.engine)
    if not found:
        raise click.ClickException(
            "there is no simulated market here: with CHAIN=solana it is `./orderflow pools show`"
        )
    facts = [each for each in found if wanted in (None, set(each["pair"].split("/")))]
    if not facts:
        raise click.ClickException(f"no pool trades {pair}")
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
@click.option("--steps", type=click.IntRange(1, STEPS_MAX), default=100, show_default=True,
              help="Of the random walk.")  # fmt: skip
@click.option("--volatility-bps", type=FiniteRange(0, VOLATILITY_BPS_MAX), default=10.0, show_default=True,
              help="Of a token per step.")  # fmt: skip
@click.option("--interval", "interval_s", type=FiniteRange(0, INTERVAL_S_MAX), default=0.4, show_default=True,
              help="Seconds between steps.")  # fmt: skip
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
        raise wrong("--csv", f"{file} is not a price path: {error}") from error
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
    adapter = TypeAdapter(Faults)
    try:
        wanted = None if settings is None else adapter.validate_json(settings, extra="forbid")
    except ValidationError as error:
        raise wrong("SETTINGS", _problems(error)) from error
    if wanted is not None and (beyond := _beyond(asdict(wanted))):
        raise wrong("SETTINGS", beyond)
    board = FaultBoard(session.engine)
    if wanted is not None:
        board.set(wanted)
    in_force = adapter.dump_python(board.current(), mode="json")
    session.show(in_force, lambda console: console.print_json(json.dumps(in_force)))


market.add_command(move)
market.add_command(launch_command)


def _beyond(faults: dict[str, Any]) -> str:
    """Return what is wrong with the numbers of faults, that a node or a die would take as it is."""
    problems = [f"{name}: must be between 0 and 1" for name, rate in faults.items()
                if name.endswith("_rate") and not 0 <= rate <= 1]  # fmt: skip
    problems += [f"{name}: must not be below 0" for name, ms in faults.items()
                 if name.endswith("_ms") and ms < 0]  # fmt: skip
    for venue, its in (faults.get("venues") or {}).items():
        problems += [f"venues.{venue}.{each}" for each in filter(None, [_beyond(its)])]
    return "; ".join(problems)


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors())


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
