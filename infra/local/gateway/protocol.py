"""Where uvicorn's protocols fall short of API Gateway's, corrected.

Header names keep their case, a connection that is lost without a close frame says so, and a refused message
gets its close frame through before the connection goes.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_ABNORMAL_CLOSURE = 1006  # RFC 6455, 7.1.5: no close frame was received
_CLOSE_TIMEOUT_S = 10.0


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
        if not self._failed:  # else the rest of a message refused already
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Send the close frame, then read on until the client has seen it.

        Closing at once, with input unread, would reset the connection and take the close frame with it.
        """
        self._failed = True
        if self.conn.close_sent is None:  # not a handshake at all, so there is nobody to send a frame to
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()
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

    async def send(self, message: Any) -> None:
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

    def shutdown(self) -> None:
        """End what is still there after every client had its close frame and its time to answer."""
        super().shutdown()
        self.transport.abort()
