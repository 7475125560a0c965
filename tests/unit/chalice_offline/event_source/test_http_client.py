"""Calls over kept connections, and what becomes of them when the server has closed one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from chalice_offline.event_source.http_client import HttpClient

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(accepted: Callable[[], None]) -> AsyncIterator[str]:
    """A server that answers every request and keeps its connections;
    ``accepted`` is called for each connection.
    """

    conversations: list[asyncio.Task[None]] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted()
        while (await reader.read(65_536)).endswith(b"body"):
            writer.write(ANSWER)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.create_task(converse(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*conversations)


def test_calls_one_after_the_other_share_a_connection() -> None:
    connections: list[None] = []

    async def call_twice() -> None:
        async with serving(lambda: connections.append(None)) as endpoint:
            client = HttpClient(endpoint)
            for _ in range(2):
                assert await client.post("/", [("Host", "x")], b"body") == (200, b"ok")
            await client.close()

    asyncio.run(call_twice())
    assert len(connections) == 1


def test_connection_that_is_being_closed_is_replaced() -> None:
    connections: list[None] = []

    async def call_while_closing() -> None:
        async with serving(lambda: connections.append(None)) as endpoint:
            client = HttpClient(endpoint)
            await client.post("/", [("Host", "x")], b"body")
            # What the loop does on the server's end of the stream;
            # that it is lost, it says only in its next turn.
            for connection in client._idle:
                connection.close()
            assert await client.post("/", [("Host", "x")], b"body") == (200, b"ok")
            await client.close()

    asyncio.run(call_while_closing())
    assert len(connections) == 2
