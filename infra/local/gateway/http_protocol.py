"""uvicorn's HTTP protocol, with two things of API Gateway's.

An upgrade request keeps the case of its header names. And a management request is answered as soon as it has been
read: an app makes several for each message it gets, and a task and a scope for each cost more than all the rest.
"""

import asyncio
import urllib.parse
from functools import lru_cache
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from infra.local.gateway.callbacks import CONNECTIONS_PATH, REQUEST_ID, CallbackRequest, Callbacks
from infra.local.gateway.responses import Headers
from infra.local.gateway.settings import MESSAGE_BYTES_MAX

_EXPECT: Final = b"expect"
_EXPECT_BYTES: Final = len(_EXPECT)


class GatewayHttp(HttpToolsProtocol):
    """One client's HTTP connection."""

    def __init__(self, callbacks: Callbacks, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._callbacks = callbacks
        self._callbacks_path: Final = callbacks.path.encode()
        self._headers_sent: list[tuple[bytes, bytes]] = []
        self._expects = False
        # The body of a management request so far; None while anything else is read.
        self._body: bytes | None = None
        self._complete: list[CallbackRequest] = []
        self._answered_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._complete:
            requests, self._complete = self._complete, []
            answers = [self._answer(request) for request in requests]
            self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
            self._answered_at = self.loop.time()
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def on_message_begin(self) -> None:
        # What uvicorn prepares for an application waits until the head tells that it is one's.
        self.url = b""
        self._headers_sent = []
        self._expects = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers_sent.append((name, value))
        if len(name) == _EXPECT_BYTES and name.lower() == _EXPECT:
            self._expects = True

    def on_headers_complete(self) -> None:
        if self._is_callback():
            self._body = b""
            return
        url, headers = self.url, self._headers_sent
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        elif len(self._body) <= MESSAGE_BYTES_MAX:
            self._body += body

    def on_message_complete(self) -> None:
        if self._body is None:
            super().on_message_complete()
            return
        method = self.parser.get_method().decode("ascii")
        self._complete.append(
            CallbackRequest(method, _connection_id(self.url), self.url, self._headers_sent, self._body)
        )
        self._body = None

    def handle_websocket_upgrade(self) -> None:
        self.scope["headers"] = self._headers_sent
        super().handle_websocket_upgrade()

    def _is_callback(self) -> bool:
        """Tell whether this is a management request, and one that asks nothing unusual of the connection."""
        return (
            self.url.startswith(self._callbacks_path)
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.flow.write_paused
            # The answers to earlier requests, on which the application may still be at work, come first.
            and (self.cycle is None or self.cycle.response_complete)
            and not self._expects
        )

    def _close_if_idle(self) -> None:
        """End a connection that was silent for long; one timer for many requests, where uvicorn takes one for each."""
        self._idle_timer = None
        left_s = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._close_if_idle)
        elif (
            self._body is None  # and no other request, nor an upgrade, has come since
            and (self.cycle is None or self.cycle.response_complete)
            and self.transport.get_protocol() is self
        ):
            self.transport.close()

    def _answer(self, request: CallbackRequest) -> bytes:
        response = self._callbacks.respond(request)
        self.server_state.total_requests += 1
        tail = f"{REQUEST_ID}: {self._callbacks.new_request_id()}\r\ncontent-length: {len(response.body)}\r\n\r\n"
        head = _head(response.status, response.headers, tuple(self.server_state.default_headers))
        return head + tail.encode("ascii") + response.body


@lru_cache(maxsize=1024)
def _connection_id(url: bytes) -> str:
    path = urllib.parse.unquote(httptools.parse_url(url).path.decode("ascii"))
    return path.partition(CONNECTIONS_PATH)[2]


@lru_cache(maxsize=64)
def _head(status: int, headers: Headers, default_headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return the head of an answer as far as answers of its kind share it: for a second, which is in the date."""
    parts = [STATUS_LINE[status]]
    parts += [b"%b: %b\r\n" % header for header in default_headers]
    parts += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
    return b"".join(parts)
