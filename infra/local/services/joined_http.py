"""uvicorn's HTTP protocol, except that the head of an answer leaves together with the beginning of its body.

uvicorn writes them one after the other: two system calls here, and a client that is woken for half an answer.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class JoinedHttp(HttpToolsProtocol):
    """One client's connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        # Not a transport by its class, but it does all that one does.
        super().connection_made(cast("asyncio.Transport", _Joining(self, transport)))


class _Joining:
    """A transport that keeps the first write of each answer back until the next one."""

    def __init__(self, protocol: JoinedHttp, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._head = b""
        self._answer: RequestResponseCycle | None = None

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif self._begins_an_answer():
            self._head = data
            return
        self._transport.write(data)

    def close(self) -> None:
        self._transport.write(self._head)
        self._head = b""
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _begins_an_answer(self) -> bool:
        """Tell a head from interim responses, refusals, later parts of a body, and WebSocket frames."""
        answer = self._protocol.cycle
        if (
            answer is None
            or answer is self._answer
            or not answer.response_started
            or answer.response_complete
        ):
            return False
        self._answer = answer
        return True
