"""What waits to be sent to one client."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from chalice_offline.gateway.asgi import Message, Send
from chalice_offline.gateway.connections import Closure
from chalice_offline.supervision import spawn

# How ``send`` fails when the client has gone, and when a close frame overtook the frame to be sent.
_GONE: Final = (OSError, RuntimeError)

# That wait for one client, whatever is in them: each takes some hundred bytes besides its text.
_FRAMES_MAX: Final = 4_096

WriteNow = Callable[[Sequence[str]], bool]
"""Writes text frames in one piece, or none of them and returns False."""


class Outbox:
    """Sends frames in order without making their senders wait for a slow client.

    A frame is written at once when the client keeps up. When it does not, ``write_now``
    declines, ``send`` blocks, frames pile up here, and beyond ``bytes_max``, or a number of frames
    that bounds those with hardly a byte, the next one is refused: the 429 of the management API.
    """

    def __init__(self, send: Send, write_now: WriteNow, *, bytes_max: int) -> None:
        self._send = send
        self._write_now = write_now
        self._bytes_max = bytes_max
        self._waiting: deque[tuple[Message, int]] = deque()
        self._waiting_bytes = 0
        self._sender: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def put(self, text: str, size: int) -> bool:
        """Queue a text frame of ``size`` bytes; False when the client is too far behind. Never blocks."""
        if self._waiting_bytes and self._waiting_bytes + size > self._bytes_max:
            return False
        if len(self._waiting) >= _FRAMES_MAX:
            return False
        if self._closed or (self._sender is None and self._write_now((text,))):
            return True
        self._enqueue({"type": "websocket.send", "text": text}, size)
        return True

    def put_now(self, texts: Sequence[str]) -> bool:
        """Send text frames in one piece if the client keeps up, else none of them."""
        return self._sender is None and not self._closed and self._write_now(texts)

    async def close(self, closure: Closure) -> None:
        """Send the close frame after what is queued, or at once to a client that does not read."""
        if self._closed:
            return
        self._closed = True
        await asyncio.sleep(0)  # a sender that is merely scheduled, not blocked, gets its turn first
        with contextlib.suppress(*_GONE):
            await self._send({"type": "websocket.close", "code": closure.code, "reason": closure.reason})

    def _enqueue(self, message: Message, size: int) -> None:
        self._waiting.append((message, size))
        self._waiting_bytes += size
        if self._sender is None:
            self._sender = spawn("sending to a client", self._drain(), self._tasks)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                message, size = self._waiting.popleft()
                await self._send(message)
                self._waiting_bytes -= size
        except _GONE:
            self._closed = True
            self._waiting.clear()
            self._waiting_bytes = 0
        finally:
            self._sender = None
