"""Where uvicorn's protocols fall short of API Gateway's, corrected.

Header names keep their case, a connection that is lost without a close frame says so, and a refused message
gets its close frame through before the connection goes, and long messages leave in frames of 32 KB.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from infra.local.gateway.settings import FRAME_BYTES_MAX

_ABNORMAL_CLOSURE = 1006  # RFC 6455, 7.1.5: no close frame was received
_INVALID_PAYLOAD = 1007  # RFC 6455, 8.1
_CLOSE_TIMEOUT_S = 10.0
_UTF8_BYTES_MAX = 4  # of a character


class CasePreservingHttp(HttpToolsProtocol):
    """Hands an upgrade request on with its header names as sent; uvicorn lowers them."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._sent_headers: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._sent_headers.append((name, value))
        super().on_header(name, value)

    def handle_websocket_upgrade(self) -> None:
        self.scope["headers"] = self._sent_headers
        super().handle_websocket_upgrade()


class GatewayWebSocket(WebSocketsSansIOProtocol):
    """Closes as API Gateway does."""

    _failed = False

    def connection_lost(self, exc: Exception | None) -> None:
        # Only the first disconnect counts: a close frame, if there was one, is ahead of this in the queue.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL_CLOSURE, "reason": ""})
        super().connection_lost(exc)

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
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            # uvicorn closes too, but logs a traceback for what is the client's mistake.
            self.frames = []
            if self.conn.state is State.OPEN:  # else a close frame came in the same packet
                self.conn.send_close(_INVALID_PAYLOAD)
                self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send" and len(message["text"]) > FRAME_BYTES_MAX // _UTF8_BYTES_MAX:
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


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
