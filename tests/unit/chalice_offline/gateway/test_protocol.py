"""The gateway's side of a WebSocket, byte by byte."""

import asyncio
import socket

import pytest
from websockets.frames import Opcode

from tests.unit.chalice_offline.gateway.a_protocol import an_accepted_client

READ_AHEAD = 4 * 1024 * 1024


@pytest.mark.parametrize("character", ["x", "\N{EURO SIGN}", "\N{CHART WITH UPWARDS TREND}"])
def test_what_is_read_ahead_is_bounded_by_bytes(character: str) -> None:
    async def scenario() -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                read = 0
                while "pause" not in client.transport.notes:
                    client.say(character * 20_000)
                    read += len(character.encode()) * 20_000
                return read

    read = asyncio.run(scenario())
    assert READ_AHEAD * 0.98 <= read <= READ_AHEAD + 80_000


def test_pongs_to_a_client_that_does_not_read_do_not_pile_up() -> None:
    async def scenario() -> tuple[int, list[bytes]]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            for number in range(100):
                client.client.send_ping(b"%d" % number)
                client.flush()
            piled_up = len(client.transport.written)
            client.protocol.resume_writing()
            return piled_up, [bytes(frame.data) for frame in client.frames()]

    # RFC 6455, 5.5.3: a pong may answer the last of several pings.
    assert asyncio.run(scenario()) == (0, [b"99"])


def test_ping_is_answered_at_once() -> None:
    async def scenario() -> list[tuple[Opcode, bytes]]:
        async with an_accepted_client() as client:
            client.client.send_ping(b"?")
            client.flush()
            return [(frame.opcode, bytes(frame.data)) for frame in client.frames()]

    assert asyncio.run(scenario()) == [(Opcode.PONG, b"?")]


def test_close_frame_behind_a_ping_is_answered_though_the_client_does_not_read() -> None:
    async def scenario() -> list[Opcode]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            client.client.send_ping(b"?")
            client.client.send_close(1000)
            client.flush()
            return [frame.opcode for frame in client.frames()]

    assert asyncio.run(scenario()) == [Opcode.PONG, Opcode.CLOSE]


def test_no_pong_follows_the_close_frame() -> None:
    async def scenario() -> list[Opcode]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            client.client.send_ping(b"?")
            client.flush()
            await client.send({"type": "websocket.close", "code": 1001, "reason": "Going away"})
            client.protocol.resume_writing()
            return [frame.opcode for frame in client.frames()]

    assert asyncio.run(scenario()) == [Opcode.CLOSE]
