"""Where uvicorn's WebSocket protocol falls short of API Gateway's, corrected.

A connection that is lost without a close frame says so, a refused message gets its close frame through before
the connection goes, and long messages leave in frames of 32 KB.
"""

import asyncio
import select
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from chalice_offline.gateway.settings import FRAME_BYTES_MAX

_ABNORMAL_CLOSURE = 1006  # RFC 6455, 7.1.5: no close frame was received
_INVALID_PAYLOAD = 1007  # RFC 6455, 8.1
_CLOSE_TIMEOUT_S = 10.0
_UTF8_BYTES_MAX = 4  # of a character
# A text of so few characters fits one frame.
_CHARS_MAX = FRAME_BYTES_MAX // _UTF8_BYTES_MAX
# What a client sent is read before its turn comes, so that its
# close frame behind it is seen; up to this much.
_AHEAD_BYTES_MAX = 4 * 1024 * 1024
_MESSAGE_BYTES = 64  # that a text takes besides its own
_LOOK_S = 0.25
# The first is Linux's own.
_ENDED = getattr(select, "POLLRDHUP", 0) | select.POLLERR | select.POLLHUP
# RFC 6455, 5.2: a whole text message, and the length that says that two bytes with the length follow.
_FIN_TEXT = 0x81
_TWO_LENGTH_BYTES = 126

# An extension of the ASGI scope: ``write_now`` does at once what ``send`` needs a task for.
FRAMES = "chalice_offline.frames"
WRITE_NOW = "write_now"
# ``hear`` has each message offered to a function as soon as it is read, unless others wait; what that
# declines, by returning False, is left to ``receive``, which needs a task for it.
HEAR = "hear"
# An event: the client has closed the connection or is lost, though what
# it sent before may still wait to be received.
GONE = "gone"


class GatewayWebSocket(WebSocketsSansIOProtocol):
    """Closes as API Gateway does."""

    _failed = False
    _ahead_bytes = 0
    _late_pong = b""
    _looks_again: asyncio.TimerHandle | None = None
    _listener: Callable[[str], bool] | None = None

    @cached_property
    def gone(self) -> asyncio.Event:
        return asyncio.Event()

    async def run_asgi(self) -> None:
        self.scope["extensions"][FRAMES] = {
            WRITE_NOW: self.write_now,
            HEAR: self.hear,
            GONE: self.gone,
        }
        await super().run_asgi()

    def hear(self, listener: Callable[[str], bool]) -> None:
        """See ``HEAR``."""
        self._listener = listener

    def write_now(self, texts: Sequence[str]) -> bool:
        """Write frames in one ``send(2)`` if the client keeps up and they are short ones;
        False if they are left to ``send``.
        """
        if not self.writable.is_set() or self.disconnected or self.conn.state is not State.OPEN:
            return False
        frames = [text.encode() for text in texts]
        if max(map(len, frames)) > FRAME_BYTES_MAX:
            return False
        if self.conn.extensions:
            for data in frames:
                self.conn.send_text(data)
            parts = self.conn.data_to_send()
        else:
            parts = [_text_head(len(data)) + data for data in frames]
        self.transport.write(b"".join(parts))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        # Only the first disconnect counts: a close frame, if there was one, is ahead of this in the queue.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL_CLOSURE, "reason": ""})
        self.gone.set()
        super().connection_lost(exc)

    def handle_close(self, event: Any) -> None:
        super().handle_close(event)
        self.gone.set()
        if self.close_timer is None:
            # Closed, it would stay until what waits to be written has gone to a client that does not read.
            self.close_timer = self.loop.call_later(_CLOSE_TIMEOUT_S, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer; to a client that does not read only once it does, and the last ping alone (RFC 6455,
        5.5.3), since pongs would pile up for as long as it pings.
        """
        answer = b"".join(self.conn.data_to_send())
        if self.writable.is_set() or self.conn.state is not State.OPEN:  # with a close frame behind it
            self.transport.write(answer)
        elif answer:
            self._late_pong = answer

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._late_pong = self._late_pong, b""
        if pong and self.conn.state is State.OPEN:
            self.transport.write(pong)

    def data_received(self, data: bytes) -> None:
        if self._failed:
            return  # the rest of a message refused already
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # websockets has its answer ready (414, 431), but uvicorn waits for a request.
            self._failed = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """Send the close frame, then read on until the client has seen it.

        Closing at once, with input unread, would reset the connection and take the close frame with it.
        """
        self._failed = True
        if self.conn.close_sent is None:  # it spoke before it was accepted
            self.transport.abort()
            return
        closure = self.conn.close_sent
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": closure.code, "reason": closure.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.write_eof()
        self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_CLOSE_TIMEOUT_S, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Queue a message; stop reading, unlike uvicorn, only when several of them wait."""
        if self.curr_msg_data_type != "text" or self.close_sent:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        try:
            text = data.decode()
        except UnicodeDecodeError:
            # uvicorn closes too, but logs a traceback for what is the client's mistake.
            if self.conn.state is State.OPEN:  # else a close frame came in the same packet
                self.conn.send_close(_INVALID_PAYLOAD)
                self.handle_parser_exception()
            return
        if self.queue.empty():
            self._ahead_bytes = 0
            if self._listener is not None and self._listener(text):
                return
        self.queue.put_nowait(text)  # type: ignore[arg-type]  # ``receive`` makes a message of it
        self._ahead_bytes += len(data) + _MESSAGE_BYTES
        if not self.read_paused and self._ahead_bytes >= _AHEAD_BYTES_MAX:
            self.read_paused = True
            self.transport.pause_reading()
            if self._looks_again is None:
                self._look_for_end()

    def _look_for_end(self) -> None:
        """End a connection whose client has gone, which only a read from it would notice."""
        self._looks_again = None
        if not self.read_paused or self.transport.is_closing():
            return
        watch = select.poll()
        watch.register(self.transport.get_extra_info("socket").fileno(), _ENDED)
        if watch.poll(0):
            self.gone.set()
            self.transport.abort()
        else:
            self._looks_again = self.loop.call_later(_LOOK_S, self._look_for_end)

    async def receive(self) -> Any:
        message: Any = await super().receive()
        return {"type": "websocket.receive", "text": message} if isinstance(message, str) else message

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and len(message["text"]) > _CHARS_MAX:
            await self._send_fragmented(message["text"].encode())
            return
        if message["type"] != "websocket.close":
            await super().send(message)
            if message["type"] == "websocket.http.response.body":
                self.handshake_complete = True  # uvicorn forgets, and then logs an error for every refusal
            return
        self.writable.set()  # a close does not wait for a client that does not read
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(_CLOSE_TIMEOUT_S, self.transport.abort)

    async def _send_fragmented(self, data: bytes) -> None:
        """Send a text message in frames no larger than API Gateway's, also where they part a character."""
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        first, *rest = (data[i : i + FRAME_BYTES_MAX] for i in range(0, len(data), FRAME_BYTES_MAX))
        self.conn.send_text(first, fin=not rest)
        for number, fragment in enumerate(rest, start=1):
            self.conn.send_continuation(fragment, fin=number == len(rest))
        self.transport.write(b"".join(self.conn.data_to_send()))

    def shutdown(self) -> None:
        """End what is still there after every client had its close frame and its time to answer."""
        super().shutdown()
        self.transport.abort()


@lru_cache(maxsize=1_024)
def _text_head(size: int) -> bytes:
    """Return what stands before a text of up to 64 KB in a frame of its own, unmasked (RFC 6455, 5.2)."""
    if size < _TWO_LENGTH_BYTES:
        return bytes((_FIN_TEXT, size))
    return bytes((_FIN_TEXT, _TWO_LENGTH_BYTES, size >> 8, size & 0xFF))
