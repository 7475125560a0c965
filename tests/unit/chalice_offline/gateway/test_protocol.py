"""The gateway's side of a WebSocket, byte by byte."""

import asyncio
from typing import Any

import pytest
from uvicorn.protocols.utils import ClientDisconnected
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode

from chalice_offline.gateway.protocol import FRAMES, GONE, HEAR
from tests.unit.chalice_offline.gateway.a_protocol import AcceptedClient, an_accepted_client, settle

KB = 1024


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 255, 256, 32 * KB])
def test_short_frames_are_written_at_once_and_in_one_piece(size: int) -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client() as client:
            assert client.protocol.write_now(["x" * size, "\N{EURO SIGN}"])
            texts = [b"x" * size, "\N{EURO SIGN}".encode()]
            # The length in as few bytes as it fits (RFC 6455, 5.2).
            frames = [Frame(Opcode.TEXT, text).serialize(mask=False) for text in texts]
            assert client.transport.written == [b"".join(frames)]
            return client.texts()

    assert asyncio.run(scenario()) == ["x" * size, "\N{EURO SIGN}"]


def test_nothing_of_frames_is_written_at_once_if_one_is_longer_than_a_frame_of_api_gateway() -> None:
    async def scenario() -> list[bytes]:
        async with an_accepted_client() as client:
            for text in ("x" * (32 * KB + 1), "\N{EURO SIGN}" * (11 * KB)):
                assert not client.protocol.write_now(["a", text])
            return client.transport.written

    assert asyncio.run(scenario()) == []


@pytest.mark.parametrize("why", ["does not read", "is closed by us", "has closed", "is lost"])
def test_nothing_is_written_at_once_to_a_client_that(why: str) -> None:
    async def scenario() -> bool:
        async with an_accepted_client() as client:
            match why:
                case "does not read":
                    client.protocol.pause_writing()
                case "is closed by us":
                    await client.send({"type": "websocket.close", "code": 1001})
                case "has closed":
                    client.client.send_close(1000)
                    client.flush()
                case _:
                    client.protocol.connection_lost(ConnectionResetError())
            return client.protocol.write_now(["x"])

    assert not asyncio.run(scenario())


def test_client_that_reads_again_is_written_to_at_once_again() -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            client.protocol.resume_writing()
            assert client.protocol.write_now(["x"])
            return client.texts()

    assert asyncio.run(scenario()) == ["x"]


def test_frames_written_at_once_are_compressed_where_that_was_agreed() -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client(
            ClientPerMessageDeflateFactory(), ws_per_message_deflate=True
        ) as client:
            assert client.protocol.write_now(["x" * 1_000, "y"])
            assert sum(map(len, client.transport.written)) < 100
            return client.texts()

    assert asyncio.run(scenario()) == ["x" * 1_000, "y"]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("x" * 8_193, [8_193]),
        ("x" * (32 * KB), [32 * KB]),
        ("x" * (32 * KB + 1), [32 * KB, 1]),
        ("\N{EURO SIGN}" * (22 * KB), [32 * KB, 32 * KB, 2 * KB]),
        ("x" * (128 * KB), [32 * KB] * 4),
    ],
)
def test_long_text_leaves_in_frames_of_32_kb(text: str, sizes: list[int]) -> None:
    async def scenario() -> list[Frame]:
        async with an_accepted_client() as client:
            await client.send({"type": "websocket.send", "text": text})
            return client.frames()

    frames = asyncio.run(scenario())
    assert [len(frame.data) for frame in frames] == sizes
    assert b"".join(bytes(frame.data) for frame in frames).decode() == text
    assert [frame.fin for frame in frames] == [False] * (len(sizes) - 1) + [True]


@pytest.mark.parametrize("end", ["close", "loss"])
def test_long_text_that_waits_for_a_client_is_not_sent_once_the_connection_has_ended(end: str) -> None:
    async def scenario() -> list[Opcode]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            sending = asyncio.create_task(client.send({"type": "websocket.send", "text": "x" * 9_000}))
            await settle()
            if end == "close":
                await client.send({"type": "websocket.close", "code": 1001})
            else:
                client.protocol.connection_lost(None)
            with pytest.raises(ClientDisconnected):
                await sending
            return [frame.opcode for frame in client.frames()]

    assert asyncio.run(scenario()) == ([Opcode.CLOSE] if end == "close" else [])


def test_short_text_waits_for_a_client_that_does_not_read() -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            sending = asyncio.create_task(client.send({"type": "websocket.send", "text": "x"}))
            await settle()
            assert client.transport.written == []
            client.protocol.resume_writing()
            await sending
            return client.texts()

    assert asyncio.run(scenario()) == ["x"]


def test_binary_message_is_told_apart_and_nothing_is_heard_behind_our_close_frame() -> None:
    async def scenario() -> tuple[Any, list[str], Any]:
        offered: list[str] = []

        def hear(text: str) -> bool:
            offered.append(text)
            return True

        async with an_accepted_client() as client:
            client.scope["extensions"][FRAMES][HEAR](hear)
            client.client.send_binary(b"1")
            client.flush()
            binary = await client.receive()
            await client.send({"type": "websocket.close", "code": 1003, "reason": "binary"})
            client.say("too late")
            client.client.send_binary(b"too late")
            client.flush()
            return binary, offered, await client.receive()

    assert asyncio.run(scenario()) == (
        {"type": "websocket.receive", "bytes": b"1"},
        [],
        {"type": "websocket.disconnect", "code": 1003, "reason": "binary"},
    )


def test_upgrade_may_come_in_pieces() -> None:
    async def scenario() -> bytes:
        client = AcceptedClient()
        client.protocol.connection_made(client.transport)
        client.client.send_request(client.client.connect())
        request = b"".join(client.client.data_to_send())
        client.protocol.data_received(request[:50])
        client.protocol.data_received(request[50:])
        await settle()
        client.over.set()
        await settle()
        return b"".join(client.transport.written)

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 101 ")


def test_url_beyond_what_can_be_parsed_is_414_and_nothing_behind_it_is_looked_at() -> None:
    async def scenario() -> tuple[bytes, list[str]]:
        client = AcceptedClient()
        client.protocol.connection_made(client.transport)
        client.protocol.data_received(b"GET /ws?" + b"x" * 20_000)
        client.protocol.data_received(b"x" * 20_000)
        return b"".join(client.transport.written), client.transport.notes

    written, notes = asyncio.run(scenario())
    assert written.startswith(b"HTTP/1.1 414 ")
    assert written.count(b"HTTP/1.1") == 1
    assert notes == ["close"]


def test_refused_handshake_is_no_error_of_the_gateway(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async def scenario() -> bytes:
        client = AcceptedClient()
        client.protocol.app = refuse
        client.protocol.connection_made(client.transport)
        client.client.send_request(client.client.connect())
        client.flush()
        await settle()
        return b"".join(client.transport.written)

    written = asyncio.run(scenario())
    assert written.startswith(b"HTTP/1.1 403 ")
    assert written.endswith(b"no")
    assert caplog.records == []


def test_shutdown_ends_a_connection_at_whatever_it_is() -> None:
    async def scenario(*, has_failed: bool) -> list[str]:
        async with an_accepted_client() as client:
            if has_failed:
                client.client.send_text(b"x" * (32 * KB + 1))
                client.flush()
            client.protocol.shutdown()
            assert client.timers.set == []
            return [*client.transport.notes]

    assert asyncio.run(scenario(has_failed=False)) == ["close", "abort"]
    assert asyncio.run(scenario(has_failed=True)) == ["eof", "resume", "close", "abort"]


def test_client_that_is_closed_has_ten_seconds_to_answer() -> None:
    async def scenario() -> list[str]:
        async with an_accepted_client() as client:
            client.protocol.pause_writing()
            await client.send({"type": "websocket.close", "code": 1001, "reason": "Going away"})
            assert client.transport.notes == []
            assert client.timers.ring() == 10
            assert client.timers.set == []
            return [*client.transport.notes]

    assert asyncio.run(scenario()) == ["abort"]


@pytest.mark.parametrize("who_closes_first", ["client", "gateway"])
def test_client_that_has_closed_and_does_not_read_is_dropped_after_ten_seconds(who_closes_first: str) -> None:
    async def scenario(*, reads: bool) -> list[str]:
        async with an_accepted_client() as client:
            if who_closes_first == "gateway":
                await client.send({"type": "websocket.close", "code": 1001})
                client.frames()
            else:
                client.client.send_close(1000)
            client.flush()
            assert client.transport.notes == ["close"]
            if reads:
                client.protocol.connection_lost(None)
                assert client.timers.set == []
            else:
                assert client.timers.ring() == 10
                assert client.timers.set == []
            return [*client.transport.notes]

    assert asyncio.run(scenario(reads=False)) == ["close", "abort"]
    assert "abort" not in asyncio.run(scenario(reads=True))


def test_connection_without_a_close_frame_ends_with_1006() -> None:
    async def scenario() -> Any:
        async with an_accepted_client() as client:
            gone = client.scope["extensions"][FRAMES][GONE]
            assert not gone.is_set()
            client.protocol.connection_lost(None)
            assert gone.is_set()
            return await client.receive()

    assert asyncio.run(scenario()) == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


def test_client_that_has_closed_is_gone_though_what_it_said_before_is_still_to_be_received() -> None:
    async def scenario() -> list[Any]:
        async with an_accepted_client() as client:
            client.client.send_text(b"last words")
            client.client.send_close(4001, "bye")
            client.flush()
            assert client.scope["extensions"][FRAMES][GONE].is_set()
            client.protocol.connection_lost(None)
            return [await client.receive(), await client.receive()]

    assert asyncio.run(scenario()) == [
        {"type": "websocket.receive", "text": "last words"},
        {"type": "websocket.disconnect", "code": 4001, "reason": "bye"},
    ]


def test_message_is_offered_as_it_is_read_unless_another_waits() -> None:
    async def scenario() -> tuple[list[str], list[Any]]:
        offered: list[str] = []

        def hear(text: str) -> bool:
            offered.append(text)
            return text != "2"

        async with an_accepted_client() as client:
            client.say("0")
            assert await client.receive() == {"type": "websocket.receive", "text": "0"}
            client.scope["extensions"][FRAMES][HEAR](hear)
            for text in "123":
                client.say(text)
            waiting = [(await client.receive())["text"] for _ in range(2)]
            client.say("4")
            return offered, waiting

    assert asyncio.run(scenario()) == (["1", "2", "4"], ["2", "3"])


@pytest.mark.parametrize("is_long", [False, True])
def test_message_beyond_what_is_allowed_closes_with_1009_and_the_rest_is_not_looked_at(is_long: bool) -> None:
    async def scenario() -> tuple[list[str], Any]:
        async with an_accepted_client() as client:
            if is_long:
                client.client.send_text(b"x" * 32 * KB, fin=False)
                for _ in range(3):
                    client.client.send_continuation(b"x" * 32 * KB, fin=False)
                client.client.send_continuation(b"x", fin=True)
            else:
                client.client.send_text(b"x" * (32 * KB + 1))
            client.flush()
            client.say("behind it")
            (frame,) = client.frames()
            assert Close.parse(bytes(frame.data)).code == 1009
            # It reads on, so that unread input does not take the close frame with it.
            assert client.transport.notes == ["eof", "resume"]
            assert client.timers.ring() == 10
            return [*client.transport.notes], await client.receive()

    notes, message = asyncio.run(scenario())
    assert notes == ["eof", "resume", "abort"]
    assert (message["type"], message["code"]) == ("websocket.disconnect", 1009)


def test_text_that_is_not_utf8_closes_with_1007_unless_the_client_has_closed_already() -> None:
    async def scenario(*, closes: bool) -> tuple[int, list[Any]]:
        async with an_accepted_client() as client:
            client.client.send_text(b"\xff")
            if closes:
                client.client.send_close(1000)
            client.flush()
            (frame,) = client.frames()
            message = await client.receive()
            return Close.parse(bytes(frame.data)).code, [message["type"], message["code"]]

    assert asyncio.run(scenario(closes=False)) == (1007, ["websocket.disconnect", 1007])
    assert asyncio.run(scenario(closes=True)) == (1000, ["websocket.disconnect", 1000])


def test_client_that_speaks_before_it_is_accepted_is_dropped() -> None:
    async def scenario() -> list[str]:
        client = AcceptedClient()
        client.protocol.connection_made(client.transport)
        client.client.send_request(client.client.connect())
        client.protocol.data_received(b"".join(client.client.data_to_send()) + b"\xff" * 20)
        await settle()
        client.over.set()
        await settle()
        return [*client.transport.notes]

    assert asyncio.run(scenario())[0] == "abort"
