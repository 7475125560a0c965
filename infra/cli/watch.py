"""``orderflow watch``: what happens to an account's orders, or to one, as it happens."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from uuid import UUID

import click
from rich.console import Console
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from chalicelib.domain.statuses import FINAL
from infra.cli.client import address, as_a_client, bearer
from infra.cli.session import CliSession

_PING_S: Final = 60.0
"""API Gateway closes a connection that is idle for ten minutes."""

_RECONNECT_S: Final = 1.0
_SHOWN: Final = (
    "reason", "txSignature", "inputAmount", "outputAmount", "executedPrice", "observedPrice",
    "code", "message",
)  # fmt: skip


class Seen:
    """What was shown already: a connection that comes back is sent some events again."""

    def __init__(self) -> None:
        self._seqs: dict[str, int] = {}

    def is_new(self, event: dict[str, Any]) -> bool:
        """Return whether an event has not been shown yet, and remember it."""
        order_id, seq = event["orderId"], event["seq"]
        if seq <= self._seqs.get(order_id, 0):
            return False
        if event["status"] in FINAL:
            self._seqs.pop(order_id, None)  # nothing follows, and orders are many
        else:
            self._seqs[order_id] = seq
        return True


@click.command()
@click.argument("order_id", type=click.UUID, required=False)
@click.option("--once", is_flag=True, help="End when the connection does; else it is opened again.")
@as_a_client("WebSocket", "ws://127.0.0.1:3000/ws")
@click.pass_obj
def watch(
    session: CliSession, order_id: UUID | None, *, once: bool, url: str | None, token: str | None
) -> None:
    """Show events as they happen: of ORDER_ID until its end, or of every order of the account until Ctrl-C.

    With --json each event is a line of JSON, as the WebSocket sends it.
    """
    websocket_url, seen = address(session, url, "websocket_url"), Seen()
    while True:
        try:
            for event in _events(websocket_url, token, order_id):
                if seen.is_new(event):
                    session.show(event, partial(_print, event))
                if order_id is not None and event["status"] in FINAL:
                    return
        except (ConnectionClosed, OSError) as error:
            if once:
                raise click.ClickException(f"the connection ended: {error}") from error
        except KeyboardInterrupt:
            return
        time.sleep(_RECONNECT_S)


def _print(event: dict[str, Any], console: Console) -> None:
    console.print(line(event), highlight=False, soft_wrap=True)


def line(event: dict[str, Any]) -> str:
    """Return an event as people like to read it."""
    facts = {name: event.get(name) for name in _SHOWN} | (event.get("amended") or {})
    said = "  ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    attempt = f" (attempt {event['attempt']})" if event["attempt"] > 1 else ""
    happened = f"{event['orderId']}  {event['seq']:>2}  {event['status']:<9}{attempt}"
    return f"{event['at'][11:23]}  {happened}  {said}".rstrip()


def _events(url: str, token: str | None, order_id: UUID | None) -> Iterator[dict[str, Any]]:
    asked = {"action": "subscribe"} | ({"orderId": str(order_id)} if order_id is not None else {})
    try:
        opened = connect(url, proxy=None, additional_headers=bearer(token), max_size=None)
    except InvalidStatus as refusal:
        body = (refusal.response.body or b"").decode(errors="replace")
        raise click.ClickException(f"refused with {refusal.response.status_code}: {body}") from refusal
    with opened as connection:
        connection.send(json.dumps(asked))
        while True:
            try:
                frame = json.loads(connection.recv(timeout=_PING_S))
            except TimeoutError:
                connection.send('{"action":"ping"}')
                continue
            if frame["type"] == "error":
                raise click.ClickException(f"{frame['code']}: {frame['message']}")
            if frame["type"] == "order":
                yield frame
