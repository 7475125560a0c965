"""HTTP as the gateway speaks it, with two things of API Gateway's.

An upgrade request keeps the case of its header names. And a
management request is answered as soon as it has been
read: an app makes several for each message it gets.
"""

import urllib.parse
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import httptools

from chalice_offline.gateway.callbacks import CONNECTIONS_PATH, REQUEST_ID, Callbacks
from chalice_offline.gateway.responses import Response
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX
from chalice_offline.prompt_http import PromptHttp, PromptRequest, head_bytes


class GatewayHttp(PromptHttp):
    """One client's HTTP connection."""

    body_bytes_max = MESSAGE_BYTES_MAX

    def __init__(self, callbacks: Callbacks, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._callbacks = callbacks
        self._callbacks_path: Final = callbacks.path.encode()

    def is_prompt(self) -> bool:
        return self.url.startswith(self._callbacks_path)

    def respond(self, request: PromptRequest) -> bytes:
        response = self._callbacks.respond(_connection_id(request.target), request)
        head = _head(response, tuple(self.server_state.default_headers))
        return head % self._callbacks.new_request_id().encode("ascii") + response.body

    def answers(self, requests: Sequence[PromptRequest]) -> list[bytes]:
        if len(requests) == 1:
            return super().answers(requests)
        # An app that sends a client three frames at once posts them in one piece.
        release = self._callbacks.gather_frames(_connection_id(request.target) for request in requests)
        try:
            return super().answers(requests)
        finally:
            release()

    def handle_websocket_upgrade(self) -> None:
        self.scope["headers"] = self.headers_sent
        super().handle_websocket_upgrade()


@lru_cache(maxsize=1024)
def _connection_id(url: bytes) -> str:
    path = urllib.parse.unquote(httptools.parse_url(url).path.decode("ascii"))
    return path.partition(CONNECTIONS_PATH)[2]


@lru_cache(maxsize=64)
def _head(response: Response, default_headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return the head of answers that are alike but for their ``REQUEST_ID``, which is left open: for a
    second, which is in the date.
    """
    own = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    shared = head_bytes(response.status, [*default_headers, *own]).replace(b"%", b"%%")
    return shared + f"{REQUEST_ID}: %b\r\ncontent-length: {len(response.body)}\r\n\r\n".encode("ascii")
