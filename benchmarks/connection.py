"""One trader's WebSocket connection: submits orders and watches each to its final status.

It must take as little processor time as possible, since it runs beside what it measures: websockets' own
protocol without its coroutines, straight on a socket transport.
"""

import asyncio
import json
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Protocol

from pydantic_core import from_json
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})


@dataclass(slots=True)
class Sent:
    """One order as its sender saw it; moments are ``perf_counter`` seconds."""

    sent_at: float
    order_id: str | None = None
    accepted_at: float | None = None


@dataclass(slots=True)
class Seen:
    """One order as the stream showed it."""

    last_seq: int = 0
    is_gapless: bool = True
    status: str = ""
    final_at: float | None = None


@dataclass(slots=True)
class Ledger:
    """All that one connection sent and saw.

    Attributes:
        refusals: Error frames, as text.
        frames: How many came; a batch is one.
        repeats: Events that had come before.
    """

    sent: dict[str, Sent] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    frames: int = 0
    repeats: int = 0


class OnAnswer(Protocol):
    def __call__(self, connection: "Connection", *, is_final: bool) -> None: ...


class Connection(asyncio.Protocol):
    """Open after ``opened``; ``on_answer`` is called with each acknowledgement and of each final status.

    Args:
        ends: What counts as final: orders that are to rest are done once they do.
    """

    def __init__(self, url: str, on_answer: "OnAnswer", ends: frozenset[str] = FINAL) -> None:
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._on_answer = on_answer
        self._ends = ends
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ledger = Ledger()
        self.left: list[dict[str, str]] = []

    def submit(self, order: dict[str, str]) -> None:
        """Send one order; its ``requestId`` must be new on this connection."""
        text = json.dumps({"action": "submit", **order})
        self.ledger.sent[order["requestId"]] = Sent(perf_counter())
        self._protocol.send_text(text.encode())
        self._flush()

    def close(self) -> None:
        self._protocol.send_close(1000)
        self._flush()
        assert self._transport is not None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            match event:
                case Response():
                    self._answered(event)
                case Frame(opcode=Opcode.TEXT):
                    self.ledger.frames += 1
                    self._frame(from_json(bytes(event.data)))
                case _:
                    self.ledger.refusals.append(f"unexpected frame: {event}")
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed during the handshake"))

    def _answered(self, response: Response) -> None:
        if self._protocol.handshake_exc is not None:
            self.opened.set_exception(ConnectionError(f"refused with {response.status_code}"))
        else:
            self.opened.set_result(None)

    def _frame(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "accepted":
                sent = self.ledger.sent[frame["requestId"]]
                sent.order_id, sent.accepted_at = frame["orderId"], perf_counter()
                self._on_answer(self, is_final=False)
            case "order":
                self._event(frame)
            case "batch":
                for member in frame["frames"]:
                    self._frame(member)
            case _:
                self.ledger.refusals.append(json.dumps(frame))

    def _event(self, frame: dict[str, Any]) -> None:
        seen = self.ledger.seen.setdefault(frame["orderId"], Seen())
        if frame["seq"] <= seen.last_seq:
            # Its order came back to a consumer, which published all again: clients go by ``seq``.
            self.ledger.repeats += 1
            return
        seen.is_gapless = seen.is_gapless and frame["seq"] == seen.last_seq + 1 and seen.final_at is None
        seen.last_seq, seen.status = frame["seq"], frame["status"]
        if frame["status"] in self._ends:
            seen.final_at = perf_counter()
            self._on_answer(self, is_final=True)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
