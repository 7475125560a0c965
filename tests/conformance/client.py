"""A WebSocket client of the probe app."""

import json
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, Self
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

TIME_LIMIT_S = 120.0


class Client:
    """One connection; ``ask`` sends an order to the probe and returns what it sends back."""

    def __init__(self, url: str, subprotocols: Sequence[str] = (), /, **query: object) -> None:
        self._open = ExitStack()
        self._id: str | None = None
        opening = connect(
            f"{url}?{urlencode(query)}" if query else url,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            compression=None,
            open_timeout=TIME_LIMIT_S,
            max_size=None,
        )
        self.socket: ClientConnection = self._open.enter_context(opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def connection_id(self) -> str:
        if self._id is None:
            self._id = self.ask()["requestContext"]["connectionId"]
        return self._id

    def send(self, **order: object) -> None:
        self.socket.send(json.dumps(order))

    def receive(self) -> Any:
        return json.loads(self.socket.recv(timeout=TIME_LIMIT_S))

    def ask(self, **order: object) -> Any:
        """Send an order; without one the probe returns the MESSAGE event itself."""
        self.send(**order)
        return self.receive()

    def call_back(self, method: str, connection_id: str, **order: object) -> Any:
        """Have the probe call the management API; return the status and what came with it."""
        return self.ask(do="call back", method=method, connectionId=connection_id, **order)

    def closed(self, within_s: float = TIME_LIMIT_S) -> Close:
        """Wait for the connection to end; return the gateway's close frame."""
        with suppress(ConnectionClosed):
            while True:
                self.socket.recv(timeout=within_s)
        frame = self.socket.protocol.close_rcvd
        assert frame is not None, "the connection ended without a close frame"
        return frame

    def vanish(self) -> None:
        """End the connection without a close frame."""
        self.socket.socket.shutdown(socket.SHUT_RDWR)

    def events(self, connection_id: str) -> list[Any]:
        """Return what the probe saw of a connection so far."""
        records: list[Any] = self.ask(do="events", connectionId=connection_id)
        return records

    def disconnect_event(self, connection_id: str) -> Any:
        """Wait for another connection's ``$disconnect``; return its event."""
        deadline = time.monotonic() + TIME_LIMIT_S
        while time.monotonic() < deadline:
            for record in self.events(connection_id):
                if record.get("requestContext", {}).get("eventType") == "DISCONNECT":
                    return record
        raise AssertionError(f"no $disconnect for {connection_id}")


def refusal(url: str, **query: object) -> InvalidStatus:
    """Connect where no connection should come to be; return the refusal."""
    with pytest.raises(InvalidStatus) as refused, Client(url, **query):
        pass
    return refused.value
