"""``orderflow watch``: what happens to an account's orders, or to one, as it happens."""

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click
from rich.console import Console

from infra.cli.client import PACKAGE, address, as_a_client, said
from infra.cli.session import CliSession

if TYPE_CHECKING:
    from orderflow_client.models import OrderEventFrame
    from orderflow_client.sync import Client

_SHOWN: Final = (
    "reason", "txSignature", "inputAmount", "outputAmount", "executedPrice", "observedPrice",
    "code", "message",
)  # fmt: skip


@click.command()
@click.argument("order_id", type=click.UUID, required=False)
@as_a_client
@click.pass_obj
def watch(
    session: CliSession, order_id: UUID | None, *, url: str | None, rest_url: str | None, token: str | None
) -> None:
    """Show events as they happen: of ORDER_ID until its end, or of every order of the account until Ctrl-C.

    Each event once, also those that happened while a connection was lost. With --json each is a line of JSON,
    as the WebSocket sends it.
    """
    sys.path.append(str(PACKAGE))
    from orderflow_client import OrderflowError
    from orderflow_client.sync import Client

    engine = address(session, url, "url")
    try:
        with Client(engine, token, rest_url=rest_url) as client:
            for event in _events(client, order_id):
                session.show(event.raw, partial(_print, event.raw))
    except KeyboardInterrupt:
        return
    except (OrderflowError, ValueError) as error:
        raise click.ClickException(said(engine, error)) from error


def _events(client: "Client", order_id: UUID | None) -> "Iterator[OrderEventFrame]":
    return client.events() if order_id is None else client.order(str(order_id)).events()


def _print(event: Mapping[str, Any], console: Console) -> None:
    console.print(line(event), highlight=False, soft_wrap=True)


def line(event: Mapping[str, Any]) -> str:
    """Return an event as people like to read it."""
    facts = {name: event.get(name) for name in _SHOWN} | (event.get("amended") or {})
    said = "  ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    attempt = f" (attempt {event['attempt']})" if event["attempt"] > 1 else ""
    happened = f"{event['orderId']}  {event['seq']:>2}  {event['status']:<9}{attempt}"
    return f"{event['at'][11:23]}  {happened}  {said}".rstrip()
