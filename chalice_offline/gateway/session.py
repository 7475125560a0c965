"""An open connection: reads messages, runs their handlers, and ends when its time is up."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from chalice_offline.gateway.asgi import Receive, Send
from chalice_offline.gateway.connections import (
    BINARY_FRAME,
    SHUT_DOWN,
    Closure,
    Connection,
    Phase,
    closed_by_client,
)
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.events import Event, message_event
from chalice_offline.gateway.frames import error_frame, reply_frame
from chalice_offline.gateway.ids import new_id
from chalice_offline.gateway.outbox import Outbox, WriteNow
from chalice_offline.gateway.outcomes import FORBIDDEN
from chalice_offline.gateway.routing import select_route
from chalice_offline.gateway.settings import MessageOrder, discard
from chalice_offline.invocation import Caller, Outcome

_LOOK_AGAIN_S: Final = 60.0


class Client(NamedTuple):
    """The other side of a connection.

    Attributes:
        receive, send: What it says, and is told, in its turn.
        hear: Offers its messages to the function given here, as soon as they are read; what that declines, by
            returning False, is what ``receive`` returns next.
        write_now: Tells it something at once, which may decline.
        gone: It has closed the connection or is lost, though what it sent before may still be to receive.
    """

    receive: Receive
    send: Send
    hear: Callable[[Callable[[str], bool]], None]
    write_now: WriteNow
    gone: asyncio.Event


class WebSocketSession:
    """One client, from the accepted handshake to the close frame."""

    def __init__(self, edge: Edge, connection: Connection, client: Client) -> None:
        self.connection = connection
        self._edge = edge
        self._receive = client.receive
        self._outbox = Outbox(
            client.send, client.write_now, bytes_max=edge.settings.limits.outbound_bytes_max
        )
        self._gone = client.gone
        self._is_serial = edge.settings.message_order is MessageOrder.SERIAL
        # Whether a message has been received that waits for its turn, or is the one whose turn it is.
        self._has_received = False
        self._caller = Caller(connection.caller_key, self._is_open)
        self._slots = edge.slots_of(self._caller.key)
        # Set when the client leaves while messages of its wait: no client waits for those.
        self._drops_messages = False
        self._timer: asyncio.TimerHandle | None = None
        client.hear(self._take)

    async def run(self) -> Closure:
        """Serve the client until it or the gateway closes the connection; return how it ended."""
        self._watch_time()
        if self._edge.stopping:  # since the handshake began
            await self.close(SHUT_DOWN)
        try:
            while True:
                message = await self._receive()
                if message["type"] == "websocket.disconnect":
                    return closed_by_client(message.get("code"), message.get("reason"))
                if self.connection.phase is not Phase.OPEN or self._drops_messages:
                    continue  # arrived before our close frame did, or waited longer than its client
                text = message.get("text")
                if text is None:
                    await self.close(BINARY_FRAME)
                else:
                    self._has_received = True
                    await self._on_text(text)
                    self._has_received = False
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def post(self, text: str, size: int) -> bool:
        """Send a text frame of ``size`` bytes; False when too much waits for this client already."""
        self.connection.active(self._edge.now_ms())
        return self._outbox.put(text, size)

    def post_now(self, texts: Sequence[str], now_ms: int) -> bool:
        """Send text frames in one piece, none of them if not all can leave at once."""
        self.connection.active(now_ms)
        return self._outbox.put_now(texts)

    async def close(self, closure: Closure) -> None:
        """Close the connection from our side; ``run`` returns the same closure."""
        self.connection.closed()
        await self._outbox.close(closure)

    def close_soon(self, closure: Closure) -> None:
        """Close the connection without waiting for the close frame to be on its way."""
        self.connection.closed()
        self._edge.spawn(self._outbox.close(closure))

    def _take(self, text: str) -> bool:
        """Begin to handle a message; False if it has to wait for its turn."""
        if (
            self._has_received
            or self._is_serial
            or self._drops_messages
            or self.connection.phase is not Phase.OPEN
            or not self._slots.free
        ):
            return False
        message = self._routed(text)
        if message is not None:
            self._slots.take()
            self._begin(message)
        return True

    async def _on_text(self, text: str) -> None:
        """Handle a message that had to wait for its turn, or has to."""
        message = self._routed(text)
        if message is None:
            return
        if not await self._take_slot():
            self._drops_messages = True
        elif not self._is_serial:
            self._begin(message)
        else:
            ended = asyncio.Event()
            self._begin(message, ended)
            await ended.wait()
            self._drops_messages = not self._is_open()

    def _routed(self, text: str) -> "_Message | None":
        """Return what a handler gets of a message, None if the API has none for it."""
        edge = self._edge
        arrival = edge.arrival()
        self.connection.active(arrival.now_ms)
        route_key = select_route(edge.expression, text, edge.manifest.websocket_handlers)
        if route_key is None:
            connection_id = self.connection.connection_id
            edge.settings.log("message without a route", {"connection_id": connection_id})
            self._reply(error_frame(FORBIDDEN, connection_id=connection_id, request_id=arrival.request_id))
            return None
        event = message_event(
            edge.api, self.connection, arrival, route_key=route_key, message_id=new_id(), body=text
        )
        return _Message(route_key, event)

    def _is_open(self) -> bool:
        return self.connection.phase is Phase.OPEN and not self._gone.is_set()

    async def _take_slot(self) -> bool:
        """Wait until fewer messages of this caller are with their handlers;
        False if the client leaves meanwhile.
        """
        if self._slots.free:
            self._slots.take()
            return True
        slot, gone = (asyncio.ensure_future(each) for each in (self._slots.acquire(), self._gone.wait()))
        is_taken = False
        try:
            await asyncio.wait((slot, gone), return_when=asyncio.FIRST_COMPLETED)
            is_taken = self._is_open()  # else it has left, though a slot may be there as well
        finally:
            gone.cancel()
            if not is_taken and not slot.cancel():
                self._slots.release()
        return is_taken

    def _begin(self, message: "_Message", ended: asyncio.Event | None = None) -> None:
        """Begin to handle a message that has a slot."""
        edge = self._edge
        function_name = edge.manifest.websocket_handlers[message.route_key]
        on_end = partial(self._ended, message, edge.now_ms(), ended)
        edge.begin(function_name, message.event, on_end, self._caller)

    def _ended(
        self, message: "_Message", began_ms: int, ended: asyncio.Event | None, outcome: Outcome
    ) -> None:
        self._slots.release()
        if ended is not None:
            ended.set()
        settings, connection_id = self._edge.settings, self.connection.connection_id
        route_key, event = message
        if settings.log is not discard:
            duration_ms = self._edge.now_ms() - began_ms
            facts = {"connection_id": connection_id, "route": route_key}
            kind = type(outcome).__name__.lower()
            settings.log("message", {**facts, "outcome": kind, "duration_ms": duration_ms})
        frame = reply_frame(
            outcome,
            connection_id=connection_id,
            request_id=event["requestContext"]["requestId"],
            integration_timeout_s=settings.limits.integration_timeout_s,
            has_route_response=route_key in settings.route_responses,
        )
        if frame is not None:
            self._reply(frame)

    def _reply(self, frame: str) -> None:
        if not self._outbox.put(frame, len(frame.encode())):
            self._edge.settings.log("answer dropped", {"connection_id": self.connection.connection_id})

    def _watch_time(self) -> None:
        """Close the connection if it has expired, else look again when it would.

        At the latest after a minute: timers do not count a sleep of the machine, by which it may have.
        """
        expires_ms, closure = self.connection.expiry(self._edge.settings.limits)
        left_ms = expires_ms - self._edge.now_ms()
        if left_ms <= 0:
            self.close_soon(closure)
        else:
            pause_s = min(left_ms / 1000, _LOOK_AGAIN_S)
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._watch_time)


class _Message(NamedTuple):
    """What a client sent: the key of its route, and its event."""

    route_key: str
    event: Event
