"""A port that listens before its server runs."""

import asyncio
import socket

from chalice_offline.services.doorway import Doorway


def test_who_connects_waits_for_the_server_and_is_told_of_once() -> None:
    async def scenario() -> tuple[int, bytes]:
        door = Doorway("127.0.0.1", 0)
        arrived = asyncio.Event()
        calls: list[None] = []

        def on_first() -> None:
            calls.append(None)
            arrived.set()

        door.await_first(on_first)
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"early")
        await arrived.wait()
        inherited = socket.socket(fileno=socket.dup(door.descriptor))
        served: asyncio.Queue[bytes] = asyncio.Queue()

        async def serve(its_reader: asyncio.StreamReader, its_writer: asyncio.StreamWriter) -> None:
            await served.put(await its_reader.read(5))
            its_writer.close()

        server = await asyncio.start_server(serve, sock=inherited)
        said = await served.get()
        writer.close()
        del reader
        server.close()
        door.close()
        return len(calls), said

    assert asyncio.run(scenario()) == (1, b"early")


def test_who_waits_is_turned_away_when_there_will_be_no_server() -> None:
    async def scenario() -> bytes:
        door = Doorway("127.0.0.1", 0)
        arrived = asyncio.Event()
        door.await_first(arrived.set)
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        await arrived.wait()
        door.turn_away()
        said = await reader.read()
        writer.close()
        door.close()
        door.close()
        return said

    assert asyncio.run(scenario()) == b""
