"""What a client sends faster than it is taken, or does not read: how much of it the gateway keeps."""

import asyncio
import socket

import pytest
from websockets.frames import Opcode

from tests.unit.chalice_offline.gateway.a_protocol import AcceptedClient, an_accepted_client

KB = 1024
READ_AHEAD = 4 * KB * KB


def read_ahead(client: AcceptedClient, text: str = "x" * 32 * KB) -> int:
    """Have the gateway read messages until it reads no more; return how many."""
    for number in range(1, 2_000):
        client.say(text)
        if "pause" in client.transport.notes:
            return number
    raise AssertionError("it reads without end")


# Each takes some bytes besides its own, which bounds those that are short.
@pytest.mark.parametrize("size", [2_400, 24_000])
@pytest.mark.parametrize("character", ["x", "\N{EURO SIGN}", "\N{CHART WITH UPWARDS TREND}"])
def test_what_is_read_ahead_is_bounded_by_bytes(character: str, size: int) -> None:
    text = character * (size // len(character.encode()))

    async def scenario() -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                return read_ahead(client, text)

    assert asyncio.run(scenario()) == READ_AHEAD // (size + 64) + 1


def test_reading_does_not_pause_for_what_was_taken_already() -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client() as client:
            for _ in range(READ_AHEAD // (32 * KB) + 1):
                client.say("x" * 32 * KB)
                await client.receive()
            return [*client.transport.notes]

    assert asyncio.run(scenario()) == []


def test_what_follows_our_close_frame_is_read_to_the_clients_own_and_not_kept() -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client() as client:
            await client.send({"type": "websocket.close", "code": 1001})
            for _ in range(READ_AHEAD // (32 * KB) + 2):
                client.say("x" * 32 * KB)
            assert client.transport.notes == []
            client.frames()
            client.flush()
            return [*client.transport.notes]

    assert asyncio.run(scenario()) == ["close"]


def test_end_of_a_client_is_looked_for_while_nothing_is_read_from_it() -> None:
    async def scenario() -> list[str]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                read_ahead(client)
                assert client.timers.ring() == 0.25
                assert not client.protocol.gone.is_set()
                theirs.close()
                client.timers.ring()
                assert client.protocol.gone.is_set()
                assert client.timers.set == []
                return [*client.transport.notes]

    assert asyncio.run(scenario()) == ["pause", "abort"]


def test_end_of_a_client_is_looked_for_no_longer_once_it_is_read_again() -> None:
    async def scenario() -> list[str]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                ahead = read_ahead(client)
                for _ in range(ahead):
                    assert "resume" not in client.transport.notes
                    await client.receive()
                client.timers.ring()
                assert client.timers.set == []
                return [*client.transport.notes]

    assert asyncio.run(scenario()) == ["pause", "resume"]


def test_end_of_a_client_is_looked_for_no_longer_once_its_connection_is_closing() -> None:
    async def scenario() -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                read_ahead(client)
                client.transport.abort()
                client.timers.ring()
                return len(client.timers.set)

    assert asyncio.run(scenario()) == 0


def test_end_of_a_client_is_looked_for_by_one_timer_however_often_reading_pauses() -> None:
    async def scenario() -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                for _ in range(3):
                    for _ in range(read_ahead(client)):
                        await client.receive()
                    client.transport.notes.clear()
                return len(client.timers.set)

    assert asyncio.run(scenario()) == 1


def test_end_of_a_client_is_looked_for_again_when_reading_pauses_again() -> None:
    async def scenario() -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            async with an_accepted_client() as client:
                client.transport.socket = ours
                for _ in range(read_ahead(client)):
                    await client.receive()
                client.timers.ring()
                client.transport.notes.clear()
                read_ahead(client)
                return len(client.timers.set)

    assert asyncio.run(scenario()) == 1


def test_pongs_to_a_client_that_does_not_read_do_not_pile_up() -> None:
    async def scenario() -> tuple[int, list[bytes]]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            for number in range(100):
                client.client.send_ping(b"%d" % number)
                client.flush()
            piled_up = len(client.transport.written)
            for _ in range(2):
                client.protocol.pause_writing()
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
            before = [*client.transport.written]
            client.protocol.resume_writing()
            assert client.transport.written == before
            return [frame.opcode for frame in client.frames()]

    assert asyncio.run(scenario()) == [Opcode.CLOSE]
