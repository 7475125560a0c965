"""``orderflow market launch``: a pool opens, as sniper orders wait for."""

from decimal import Decimal
from typing import Final

import click

from chalicelib.adapters.simulated_market.definition import PARAMETERS, VENUES, PoolDefinition
from chalicelib.adapters.simulated_market.launch import LaunchedPool, check_depth, falling_fee, launch
from chalicelib.adapters.token_list import load_tokens
from chalicelib.amm.damm_v2_schedule import BaseFee, SchedulerMode
from chalicelib.domain.amounts import BPS_PER_UNIT
from chalicelib.domain.errors import FieldError
from chalicelib.domain.tokens import Token, Tokens, new_token
from infra.cli.parameters import NAME, PositiveDecimal, wrong
from infra.cli.resting_orders import look_at_resting_orders
from infra.cli.session import CliSession

_HEIGHT_MAX: Final = 10**10
"""A hundred years of blocks: times beyond that are none."""

_PERIOD_S_MAX: Final = 86_400


@click.command("launch")
@click.argument("token")
@click.option("--quote", default="USDC", show_default=True, help="The token that it is priced in.")
@click.option("--kind", type=click.Choice(list(VENUES)), default="damm_v2", show_default=True)
@click.option("--price", type=PositiveDecimal(), required=True, help="That it opens with: quote per token.")
@click.option(
    "--depth", type=PositiveDecimal(), required=True, help="What each side is worth, in the quote token."
)
@click.option(
    "--fee-bps",
    type=PositiveDecimal(),
    default="25",
    show_default=True,
    help="In the end, with a fee that falls.",
)
@click.option(
    "--fee-from-bps", type=click.IntRange(1, BPS_PER_UNIT // 2), help="What the fee begins with (damm_v2)."
)
@click.option(
    "--fee-periods",
    type=click.IntRange(1, 65_535),
    default=10,
    show_default=True,
    help="In how many steps it falls.",
)
@click.option(
    "--period",
    "period_s",
    type=click.IntRange(1, _PERIOD_S_MAX),
    default=6,
    show_default=True,
    help="Seconds of a step.",
)
@click.option(
    "--fee-mode",
    type=click.Choice([each.value for each in SchedulerMode]),
    default="linear",
    show_default=True,
)
@click.option(
    "--at-height", type=click.IntRange(0, _HEIGHT_MAX), help="When it opens; default: --in-blocks from now."
)
@click.option(
    "--in-blocks",
    type=click.IntRange(0, _HEIGHT_MAX),
    default=0,
    show_default=True,
    help="A block takes 0.4 s.",
)
@click.option("--decimals", type=click.IntRange(0, 18), help="Of a TOKEN that is not listed.")
@click.option("--id", "pool_id", type=NAME, help="Default: made of what it is, and when it opens.")
@click.pass_obj
def launch_command(
    session: CliSession,
    token: str,
    quote: str,
    kind: str,
    price: Decimal,
    depth: Decimal,
    fee_bps: Decimal,
    fee_from_bps: int | None,
    fee_periods: int,
    period_s: int,
    fee_mode: str,
    at_height: int | None,
    in_blocks: int,
    decimals: int | None,
    pool_id: str | None,
) -> None:
    """Open a pool of TOKEN, at once or at a height; resting orders are looked at then.

    TOKEN is a listed token, or the mint address of a new one with its --decimals.

    `market reset` closes it again, with all that are not defined in market.toml.
    """
    if at_height is not None and in_blocks:
        raise click.UsageError("--at-height and --in-blocks each say when: give one of them")
    if fee_bps >= BPS_PER_UNIT:
        raise wrong("--fee-bps", f"must be below {BPS_PER_UNIT}")
    tokens = load_tokens()
    try:
        base, priced_in = _token(token, decimals, tokens), tokens.named(quote, field="--quote")
        if base == priced_in:
            raise wrong("--quote", "must be another token")
        fee: BaseFee | None = None
        if fee_from_bps is not None:
            if kind != "damm_v2":
                raise click.UsageError("a fee that falls needs --kind damm_v2")
            fee = _falling(
                fee_from_bps, fee_bps, periods=fee_periods, period_s=period_s, mode=SchedulerMode(fee_mode)
            )
        pool = PoolDefinition(
            pool_id=pool_id or "",
            venue=VENUES[kind],
            kind=kind,
            base=base,
            quote=priced_in,
            price=price,
            depth=depth,
            fee_bps=fee_bps,
            parameters=PARAMETERS[kind],
            base_fee=fee,
        )
        _check_depth(pool)
        launched = launch(session.engine, tokens, pool, height=at_height, in_blocks=in_blocks)
    except FieldError as error:
        raise wrong(error.details[0].field, error) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    look_at_resting_orders(session, [launched.pool_id])
    facts = {"pool": launched.pool_id, "venue": pool.venue, "height": launched.height}
    session.show(facts, lambda console: console.print(_said(launched), highlight=False))


def _check_depth(pool: PoolDefinition) -> None:
    try:
        check_depth(pool)
    except ValueError as error:
        raise wrong("--depth", error) from error


def _falling(from_bps: int, to_bps: Decimal, *, periods: int, period_s: int, mode: SchedulerMode) -> BaseFee:
    try:
        return falling_fee(from_bps, to_bps, periods=periods, period_s=period_s, mode=mode)
    except ValueError as error:
        raise wrong("--fee-from-bps", error) from error


def _token(name: str, decimals: int | None, tokens: Tokens) -> Token:
    token = tokens.named_or_new(name, field="TOKEN")
    if token.symbol in tokens:
        if decimals not in (None, token.scale):
            raise click.UsageError(f"{token.symbol} has {token.scale} decimals")
        return token
    if decimals is None:
        raise click.UsageError("a TOKEN that is not listed needs --decimals")
    return new_token(token.mint, decimals)


def _said(launched: LaunchedPool) -> str:
    return f"{launched.pool_id} opens at height {launched.height}"
