"""No client is waited for for ever, and no number of them keeps others out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from chalice_offline.bounded_http import HEAD_BYTES_MAX, connections_max
from chalice_offline.callers import HeadersByName
from chalice_offline.prompt_http import PromptHttp
from chalice_offline.prompt_requests import PromptRequest

REQUEST = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
PROMPT = b"POST /prompt HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class ShortHttp(PromptHttp):
    """Answers /prompt at once, hands the rest over, and times out soon."""

    body_bytes_max = 1000
    head_s = 0.2
    request_s = 0.4
    connections_max = 10

    def is_prompt(self, method: str, target: bytes, named: HeadersByName) -> bool:  # noqa: ARG002  # by its path
        return target == b"/prompt"

    def respond(self, _request: PromptRequest) -> bytes:
        return ANSWER


class Server:
    def __init__(self, port: int, state: ServerState) -> None:
        self.port = port
        self.state = state
        self.release = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self, *packets: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        for packet in packets:
            writer.write(packet)
        return reader, writer


@asynccontextmanager
async def a_server(size: int = 2) -> AsyncIterator[Server]:
    """Run a server whose application reads the body, waits to be released, and answers ``size`` bytes."""
    state = ServerState()
    server: Server | None = None

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert server is not None
        if scope["path"] == "/early":
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        while (await receive()).get("more_body"):
            pass
        await server.release.wait()
        head = [(b"content-length", b"%d" % size)]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"x" * size})

    config = uvicorn.Config(application, lifespan="off", log_config=None, timeout_keep_alive=0)
    listening = await asyncio.get_running_loop().create_server(
        lambda: ShortHttp(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    server = Server(listening.sockets[0].getsockname()[1], state)
    async with listening:
        yield server
        for each in list(state.connections):
            each.transport.abort()
        for writer in server.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110  # uvicorn does not say when
            await asyncio.sleep(0.01)


async def is_ended(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(120):
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n\r\n",
        b"GET /slow HT",
        b"GET /slow HTTP/1.1\r\nHost: x\r\nX-A:",
        REQUEST + b"ab",
        PROMPT + b"ab",
        b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" + b"ab",
        b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab",
    ],
    ids=["silent", "blank lines", "line", "head", "body", "prompt body", "answered early", "chunks"],
)
def test_client_that_does_not_finish_its_request_is_ended(sent: bytes) -> None:
    async def scenario() -> bool:
        async with a_server() as server:
            reader, _ = await server.open(sent)
            return await is_ended(reader)

    assert asyncio.run(scenario())


@pytest.mark.parametrize("begun", [b"GET /slow HTTP/1.1\r\nX-A: ", REQUEST.replace(b": 4", b": 4000")])
def test_client_that_sends_byte_by_byte_is_ended(begun: bytes) -> None:
    async def scenario() -> bool:
        async with a_server() as server:
            reader, writer = await server.open(begun)
            ended = asyncio.create_task(is_ended(reader))
            while not ended.done():
                writer.write(b"a")
                await asyncio.sleep(0.02)
            return await ended

    assert asyncio.run(scenario())


def test_client_whose_answer_takes_long_is_not() -> None:
    async def scenario() -> bytes:
        async with a_server() as server:
            reader, _ = await server.open(REQUEST + b"abcd", b"GET /slow")
            await asyncio.sleep(ShortHttp.head_s + 2 * ShortHttp.request_s)
            server.release.set()
            return await reader.readuntil(b"xx")

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200")


def test_client_that_does_not_read_its_answer_is_ended() -> None:
    async def scenario() -> None:
        async with a_server(size=20_000_000) as server, asyncio.timeout(120):
            server.release.set()
            await server.open(REQUEST + b"abcd")
            await until(lambda: bool(server.state.connections))
            await until(lambda: not server.state.connections)

    asyncio.run(scenario())


def test_head_without_an_end_is_not_kept() -> None:
    async def scenario() -> bool:
        async with a_server() as server:
            reader, writer = await server.open(b"GET /slow HTTP/1.1\r\nX-A: ")
            await asyncio.sleep(0)
            writer.write(b"a" * (20 * HEAD_BYTES_MAX))
            return await is_ended(reader)

    assert asyncio.run(scenario())


def test_waiting_connections_make_room_and_working_ones_do_not() -> None:
    async def scenario() -> tuple[int, bytes]:
        async with a_server() as server:
            at_work = [await server.open(REQUEST + b"abcd") for _ in range(5)]
            for _ in range(30):
                await server.open(b"GET /")
            reader, _ = await server.open(PROMPT + b"abcd")
            answered = await reader.readexactly(len(ANSWER))
            most = len(server.state.connections)
            server.release.set()
            for each, _ in at_work:
                await each.readuntil(b"xx")
            return most, answered

    most, answered = asyncio.run(scenario())
    assert most <= ShortHttp.connections_max
    assert answered == ANSWER


def test_nobody_is_dropped_for_a_client_too_many() -> None:
    async def scenario() -> bool:
        async with a_server() as server:
            at_work = [await server.open(REQUEST + b"abcd") for _ in range(ShortHttp.connections_max)]
            await until(lambda: len(server.state.tasks) == ShortHttp.connections_max)
            reader, _ = await server.open(PROMPT + b"abcd")
            refused = await is_ended(reader)
            server.release.set()
            for each, _ in at_work:
                await each.readuntil(b"xx")
            return refused

    assert asyncio.run(scenario())


def test_bound_leaves_descriptors_for_other_things() -> None:
    assert [connections_max(n) for n in (100, 1024, 10**9)] == [64, 768, 10_000]
