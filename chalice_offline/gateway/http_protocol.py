"""HTTP as the gateway speaks it, with two things of API Gateway's.

An upgrade request keeps the case of its header names. And a
management request is answered as soon as it has been
read: an app makes several for each message it gets.
"""

import urllib.parse
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import httptools

from chalice_offline.callers import HeadersByName
from chalice_offline.gateway.callbacks import CONNECTIONS_PATH, REQUEST_ID, Callbacks
from chalice_offline.gateway.management import OK
from chalice_offline.gateway.responses import Response
from chalice_offline.gateway.settings import MESSAGE_BYTES_MAX
from chalice_offline.prompt_http import PromptHttp, head_bytes
from chalice_offline.prompt_requests import PromptRequest
from chalice_offline.uuids import new_uuid

_TARGET: Final = attrgetter("target")
NotHttp = Callable[[str], None]
"""Called with the address of a client that does not speak HTTP."""


class GatewayHttp(PromptHttp):
    """One client's HTTP connection."""

    body_bytes_max = MESSAGE_BYTES_MAX

    def __init__(
        self, callbacks: Callbacks, not_http: NotHttp = lambda _client: None, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._callbacks = callbacks
        self._not_http = not_http
        self._callbacks_path: Final = callbacks.path.encode()

    def is_prompt(self, method: str, target: bytes, named: HeadersByName) -> bool:  # noqa: ARG002  # by its path
        return target.startswith(self._callbacks_path)

    def respond(self, request: PromptRequest) -> bytes:
        [answer] = self._alike(self._callbacks.respond(_connection_id(request.target), request), 1)
        return answer

    def answers(self, requests: Sequence[PromptRequest]) -> list[bytes]:
        # An app that sends a client three frames at once posts them in one piece.
        answers: list[bytes] = []
        for target, group in groupby(requests, _TARGET):
            together = [*group]
            if self._callbacks.deliver(_connection_id(target), together):
                answers += self._alike(OK, len(together))
            else:
                answers += super().answers(together)
        return answers

    def _alike(self, response: Response, count: int) -> list[bytes]:
        """Return so many answers that are alike but for their ids."""
        head = _head(response, tuple(self.server_state.default_headers))
        return [head % new_uuid().encode() + response.body for _ in range(count)]

    def send_400_response(self, msg: str) -> None:
        self._not_http(self.client[0] if self.client else "")
        super().send_400_response(msg)

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
