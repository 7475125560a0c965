"""``orderflow market move``: a price goes where it is told to, by trades of the market maker."""

import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import click

from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import FieldError
from infra.cli.market_maker import MarketMaker, ratio
from infra.cli.parameters import FiniteRange, wrong
from infra.cli.price_moves import (
    INTERVAL_S_MAX,
    MOVE_BPS,
    STEPS_MAX,
    VOLATILITY_BPS_MAX,
    Factors,
    drift,
    listed_prices,
    spike,
    walk,
)
from infra.cli.resting_orders import look_at_resting_orders
from infra.cli.session import CliSession, is_given

_BPS: Final = click.IntRange(MOVE_BPS[0], MOVE_BPS[-1])
_Start = Mapping[str, tuple[tuple[str, str], Fraction]]


@click.command()
@click.argument("what")
@click.option(
    "--path", "prices", help="Prices to go through, such as 150,145.5,139: quote per base. Of a pair alone."
)
@click.option("--drift", "drift_bps", type=_BPS, help="Go so far, in basis points, over --steps.")
@click.option("--spike", "spike_bps", type=_BPS, help="Go so far at once, stay for --steps, and come back.")
@click.option(
    "--walk",
    "volatility_bps",
    type=FiniteRange(0, VOLATILITY_BPS_MAX, min_open=True),
    help="A random walk: basis points a step.",
)
@click.option("--steps", type=click.IntRange(1, STEPS_MAX), default=1, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Of the random walk.")
@click.option("--interval", "interval_s", type=FiniteRange(0, INTERVAL_S_MAX), default=0.4, show_default=True,
              help="Seconds between steps; a block takes 0.4.")  # fmt: skip
@click.pass_obj
def move(
    session: CliSession,
    what: str,
    prices: str | None,
    drift_bps: int | None,
    spike_bps: int | None,
    volatility_bps: float | None,
    steps: int,
    seed: int,
    interval_s: float,
) -> None:
    """Move the price of WHAT: a token, in all of its pools, or a pair such as SOL/USDC, in its own alone.

    It starts from where the price stands. Pools are traded with, so their fees are paid and the books
    balance; a pool whose liquidity ends before that stays behind. Resting orders are looked at after each
    step.
    """
    tokens = _tokens(what)
    wishes = {"--path": prices, "--drift": drift_bps, "--spike": spike_bps, "--walk": volatility_bps}
    if len(given := [name for name, wish in wishes.items() if wish is not None]) != 1:
        raise click.UsageError(f"one of {', '.join(wishes)} says where to, not {len(given)} of them")
    _refuse_unused(given[0])
    if prices is not None and len(tokens) != 2:
        raise wrong("--path", "prices are of a pair, such as SOL/USDC")
    try:
        if prices is not None:
            factors = listed_prices(prices)
        elif drift_bps is not None:
            factors = drift(drift_bps, steps)
        elif spike_bps is not None:
            factors = spike(spike_bps, steps)
        else:
            assert volatility_bps is not None
            factors = walk(volatility_bps, steps, seed)
    except ValueError as error:
        raise wrong(given[0], error) from error
    maker = MarketMaker(session.engine, load_market())
    start = _of(maker.prices(), tokens)
    if not start:
        raise click.ClickException(f"no pool trades {what}")
    if prices is not None:
        price_now = _price_now(start, tokens)
        factors = [price / price_now for price in factors]
    trades, fired = _go(session, maker, start, tokens, factors, interval_s)
    facts = {"steps": len(factors), "trades": trades, "fired": fired}
    session.show(facts, lambda console: console.print(_said(facts), highlight=False))


_GOES_WITH: Final = {"steps": ("--drift", "--spike", "--walk"), "seed": ("--walk",)}


def _refuse_unused(wish: str) -> None:
    """Refuse an option that the way to move has no use for: what it was meant to do would not happen."""
    for option, wishes in _GOES_WITH.items():
        if is_given(option) and wish not in wishes:
            raise click.UsageError(f"--{option} goes with {' and '.join(wishes)}, not with {wish}")


def _go(
    session: CliSession,
    maker: MarketMaker,
    start: _Start,
    tokens: Sequence[str],
    factors: Factors,
    interval_s: float,
) -> tuple[int, int | None]:
    trades, fired = 0, None
    with session.progress() as progress:
        for number, factor in enumerate(progress.track(factors, description="moving prices")):
            if number:
                time.sleep(interval_s)
            step = {tokens[0]: factor}
            targets = {pool_id: price * ratio(step, pair) for pool_id, (pair, price) in start.items()}
            moved = maker.trade_to(targets, int(time.time()))
            trades += len(moved)
            found = look_at_resting_orders(session, moved)
            fired = found if fired is None else fired + (found or 0)
    return trades, fired


def _tokens(what: str) -> Sequence[str]:
    """Return one symbol or two, as the ledger has them."""
    try:
        found = [load_tokens().named(name, field="WHAT").symbol for name in what.split("/")]
    except FieldError as error:
        raise wrong("WHAT", error) from error
    if len(found) > 2 or len(set(found)) != len(found):
        raise wrong("WHAT", "must be a token or a pair of two, such as SOL or SOL/USDC")
    return found


def _of(prices: _Start, tokens: Sequence[str]) -> _Start:
    return {pool_id: found for pool_id, found in prices.items() if set(tokens) <= set(found[0])}


def _price_now(start: _Start, tokens: Sequence[str]) -> Fraction:
    """Return the price that a path is counted from, in token units: the middle one of the pair's pools."""
    listed = load_tokens()
    scale = listed[tokens[0]].scale - listed[tokens[1]].scale
    found = sorted(price if pair[0] == tokens[0] else 1 / price for pair, price in start.values())
    return found[len(found) // 2] * Fraction(10) ** scale


def _said(facts: Mapping[str, Any]) -> str:
    fired = f", {facts['fired']} woken of the orders that rest" if facts["fired"] is not None else ""
    return f"{facts['steps']} steps, {facts['trades']} trades{fired}"
