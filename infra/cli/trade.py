"""``orderflow trade``: submit an order with the client, and follow it to its end."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import click

from chalicelib.domain.lifetimes import RESTING_S_MAX
from chalicelib.wire.fields import CLIENT_ORDER_ID_LENGTH_MAX
from infra.cli.client import PACKAGE, address, as_a_client, said
from infra.cli.event_lines import event_line
from infra.cli.order_ids import both_ends
from infra.cli.parameters import PrintableText
from infra.cli.session import CliSession

if TYPE_CHECKING:
    from orderflow_client.models import Preview
    from orderflow_client.sync import Client, Order

EXIT_BY_STATUS: Final = {"confirmed": 0, "failed": 3, "expired": 4, "canceled": 5}
OUTCOME_UNKNOWN: Final = 6

_EXITS: Final = """
\b
Exit status: 0 confirmed (with --detach accepted, with --dry-run not refused), 3 failed, 4 expired,
5 canceled, 6 outcome unknown (repeat with the --key that is named), 1 refused or not reached, 2 usage.
Ctrl-C stops following (130); the order goes on.
"""


@click.command(epilog=_EXITS)
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("amount")
@click.argument("pair", default="SOL/USDC")
@click.option("--limit", "limit_price", metavar="PRICE", help="A limit order at this price, all in.")
@click.option(
    "--stop", metavar="PRICE", help="Wait until the mark is at or below PRICE; to buy, at or above."
)
@click.option(
    "--take-profit", metavar="PRICE", help="Wait until the mark is at or above PRICE; to buy, at or below."
)
@click.option("--time-in-force", type=click.Choice(["gtc", "gtd", "ioc"]))
@click.option("--valid-for", "valid_for_seconds", type=click.IntRange(1, RESTING_S_MAX), metavar="SECONDS")
@click.option("--slippage-bps", type=click.IntRange(0, 10_000))
@click.option(
    "--key",
    "client_order_id",
    type=PrintableText(CLIENT_ORDER_ID_LENGTH_MAX),
    help="Idempotency key.  [default: a new one]",
)
@click.option("--dry-run", "is_dry", is_flag=True, help="Show what would happen; submit nothing.")
@click.option("--detach", "is_detached", is_flag=True, help="Do not follow the order.")
@as_a_client
@click.pass_obj
def trade(
    session: CliSession,
    /,
    *,
    side: str,
    amount: str,
    pair: str,
    is_dry: bool,
    is_detached: bool,
    url: str | None,
    rest_url: str | None,
    token: str | None,
    stop: str | None,
    take_profit: str | None,
    **terms: Any,
) -> None:
    """Buy or sell AMOUNT of a pair's base token, and print one line per event.

    \b
    ./orderflow trade sell 1.5
    ./orderflow trade buy 10 SOL/USDC --limit 140
    ./orderflow trade sell 10 --stop 120
    """  # noqa: D301  # click's mark, not a backslash
    base, _, quote = pair.partition("/")
    if not base or not quote:
        raise click.UsageError("PAIR is two tokens, such as SOL/USDC")
    order = {"side": side, "amount": amount, "base_asset": base, "quote_asset": quote, **terms}
    order["type"] = "market" if terms["limit_price"] is None else "limit"
    order["trigger"] = _trigger(side, stop, take_profit)
    # Made here, so that it can be named whatever interrupts the sending.
    if order["client_order_id"] is None:
        order["client_order_id"] = str(uuid4())
    key = order["client_order_id"]
    sys.path.append(str(PACKAGE))
    from orderflow_client import OrderflowError, UnknownOutcomeError
    from orderflow_client.sync import Client

    engine = address(session, url, "url")
    try:
        with Client(engine, token, rest_url=rest_url) as client:
            if is_dry:
                preview = client.preview(**order)
                session.tell(preview.raw, "\n".join(preview_lines(preview)))
                sys.exit(preview.verdict == "refused")
            sys.exit(_follow(session, client, order, is_detached=is_detached))
    except UnknownOutcomeError as error:
        click.echo(f"Error: {said(engine, error)}. Repeat with --key {key}: that is safe.", err=True)
        sys.exit(OUTCOME_UNKNOWN)
    except KeyboardInterrupt:
        click.echo(
            f"Interrupted: it may have been accepted. Repeat with --key {key}: that is safe.", err=True
        )
        sys.exit(OUTCOME_UNKNOWN)
    except (OrderflowError, ValueError) as error:
        raise click.ClickException(said(engine, error)) from error


def preview_lines(preview: "Preview") -> Iterator[str]:
    """Yield what would become of an order, and which checks it does not pass, or cannot yet."""
    yield preview.summary
    for check in preview.checks:
        if check.result != "passed":
            yield f"{check.result:<7}  {check.check}: {check.message}"


def _follow(session: CliSession, client: "Client", terms: dict[str, Any], *, is_detached: bool) -> int:
    order: Order = client.submit(**terms)
    accepted = {"type": "accepted", "orderId": order.id, "clientOrderId": order.client_order_id}
    session.tell(accepted, f"{both_ends(order.id)} accepted   {order.id}")
    if is_detached:
        return 0
    known: dict[str, Any] = {}
    with suppress(KeyboardInterrupt):
        for event in order.events():
            known = known or dict(event.raw)
            session.tell(event.raw, f"{datetime.now(UTC):%H:%M:%S} {event_line(event.raw, known)}")
        return EXIT_BY_STATUS[str(order.status)]
    click.echo(f"{order.id} goes on: ./orderflow order {order.id[:8]}", err=True)
    return 130


def _trigger(side: str, stop: str | None, take_profit: str | None) -> dict[str, str] | None:
    if stop is not None and take_profit is not None:
        raise click.UsageError("--stop and --take-profit are two orders")
    price = stop if stop is not None else take_profit
    # A sale gets worse as the price falls, a purchase as it rises.
    is_below = (side == "sell") is (stop is not None)
    return None if price is None else {"price": price, "when": "below" if is_below else "above"}
