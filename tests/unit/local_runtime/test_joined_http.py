"""Answers arrive as they were sent, and the usual ones in one piece."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from infra.local.services.joined_http import JoinedHttp

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]}
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        if data:
            self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Read on: all there is has been read."""

    def resume_reading(self) -> None:
        """As above."""


def written(messages: Sequence[Mapping[str, Any]], *requests: bytes) -> list[bytes]:
    """Return what goes over the wire, write by write, for an application that answers with these messages."""

    async def application(_scope: Any, receive: Any, send: Send) -> None:
        await receive()
        for message in messages:
            await asyncio.sleep(0)
            await send(message)

    async def serve() -> list[bytes]:
        config = uvicorn.Config(application, lifespan="off", log_config=None, server_header=False)
        state, wire = ServerState(), Wire()
        protocol = JoinedHttp(config=config, server_state=state, app_state={})
        protocol.connection_made(wire)
        for request in requests:
            protocol.data_received(request)
            for _ in range(50):  # rounds of the event loop, more than any of these answers takes
                await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    return asyncio.run(serve())


def body(text: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": more}


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
START = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"


def test_answer_is_one_write_each_time() -> None:
    assert written([HEAD, body(b"abcdef")], GET, GET) == [START + b"abcdef"] * 2


def test_requests_behind_one_another_are_answered_in_full() -> None:
    assert b"".join(written([HEAD, body(b"abcdef")], GET * 3)) == (START + b"abcdef") * 3


def test_later_parts_of_a_body_are_not_kept_back() -> None:
    parts = [HEAD, body(b"ab", more=True), body(b"cd", more=True), body(b"ef")]
    assert written(parts, GET) == [START + b"ab", b"cd", b"ef"]


def test_interim_response_is_not_kept_back() -> None:
    request = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    found = written([HEAD, body(b"abcdef")], request, b"a")
    assert found == [b"HTTP/1.1 100 Continue\r\n\r\n", START + b"abcdef"]


@pytest.mark.parametrize("before", [[], [GET]])
def test_refusal_of_a_broken_request_is_written_before_the_end(before: list[bytes]) -> None:
    assert written([HEAD, body(b"abcdef")], *before, b"what\r\n\r\n")[-1].startswith(b"HTTP/1.1 400 ")


def test_head_without_a_body_is_written_before_the_end() -> None:
    last = {"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]}
    assert written([last, body(b"")], GET)[0].startswith(b"HTTP/1.1 200 OK\r\n")
