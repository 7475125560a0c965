"""uvicorn's HTTP protocol with time limits for clients: uvicorn
waits for a request, and for its rest, for ever.

One timer for a connection, which looks where it stands; what happens on a connection only notes the time.
uvicorn still closes a connection that was silent for ``timeout_keep_alive`` after an answer.
"""

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 10.0
"""From connecting, and from a request's first byte, until its head is complete."""
REQUEST_S: Final = 30.0
"""Until its body is, too: API Gateway ends an integration after 29 s."""
HEAD_BYTES_MAX: Final = 64 * 1024
"""API Gateway takes 10,240 bytes of headers; what is longer than this is not even read."""

# The rest is for environments, files, and what the process opens itself.
_DESCRIPTORS_KEPT: Final = 256
_CONNECTIONS_MAX: Final = 10_000
_CONNECTIONS_MIN: Final = 64


def connections_max(descriptors: int) -> int:
    """Return how many connections a server may hold, in a process that may open so many files."""
    return max(_CONNECTIONS_MIN, min(_CONNECTIONS_MAX, descriptors - _DESCRIPTORS_KEPT))


class BoundedHttp(HttpToolsProtocol):
    """One client's connection.

    Attributes:
        head_s, request_s: How long a client may take.
        connections_max: When so many are open, those that wait for their clients make room for a new one.
    """

    head_s: float = HEAD_S
    request_s: float = REQUEST_S
    connections_max: int = connections_max(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        # Since when the connection has been where it is, and how long it may stay there.
        self._since = 0.0
        self._timeout_s = self.head_s
        self._has_asked = False
        self._head_bytes: int | None = 0  # of a head that is not complete; None while there is none
        self._unsent = 0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        has_room = len(self.connections) < self.connections_max or self._make_room()
        super().connection_made(transport)
        self._since = self.loop.time()
        if has_room:
            self._watch = self.loop.call_later(self.head_s, self._look)
        else:
            self.connections.discard(self)
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)  # forgotten if the head ends here, or another begins
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > HEAD_BYTES_MAX:
            self.transport.abort()

    def request_begins(self) -> None:
        """Note the first byte of a request."""
        self._since, self._timeout_s = self.loop.time(), self.head_s
        self._has_asked = True
        self._head_bytes = 0

    def head_is_complete(self) -> None:
        self._timeout_s = self.request_s
        self._head_bytes = None

    @property
    def reads_head(self) -> bool:
        """Whether a request's head has begun, and is not complete."""
        return self._head_bytes is not None

    def requests_came_whole(self) -> None:
        """Note requests of which the parser hears nothing."""
        self._has_asked = True
        self._head_bytes = None
        self._unset_keepalive_if_required()

    def request_is_answered(self) -> None:
        """Note that all is said, and that the client may ask again."""
        self._since, self._timeout_s = self.loop.time(), max(self.head_s, self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        self.request_is_answered()
        super().on_response_complete()

    @property
    def waits_for_client(self) -> bool:
        """Whether the next move is the client's: to ask, or to send the rest of a request."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        return bool(cycle.more_body) and not self.pipeline and not self.flow.read_paused

    def _make_room(self) -> bool:
        """Drop a tenth of the connections that wait for their clients, those that never asked first."""
        waiting = [
            each for each in self.connections if isinstance(each, BoundedHttp) and each.waits_for_client
        ]
        waiting.sort(key=lambda each: (each._has_asked, each._since))  # noqa: SLF001  # our own class
        for each in waiting[: max(1, len(waiting) // 10)]:
            self.connections.discard(each)
            each.transport.abort()
        return bool(waiting)

    def _look(self) -> None:
        """End the connection if its client was waited for long enough, else look again."""
        transport = self.transport
        if transport.get_protocol() is not self:  # a WebSocket by now, with limits of its own
            return
        now = self.loop.time()
        unsent = transport.get_write_buffer_size()
        if unsent and unsent >= self._unsent and self._unsent:
            transport.abort()  # it has not read a byte since the last look
            return
        self._unsent = unsent
        if unsent or not self.waits_for_client:
            self._since = now
        left_s = self._since + self._timeout_s - now
        if left_s <= 0:
            # Not ``close``, which waits until a client has read all that was said to it.
            transport.abort()
            return
        self._watch = self.loop.call_later(min(left_s, self.head_s), self._look)
