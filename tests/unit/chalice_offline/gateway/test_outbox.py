"""Frames that wait for a client, which may read them late or never."""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

from chalice_offline.gateway.connections import DELETED
from chalice_offline.gateway.outbox import Outbox

Sent = list[MutableMapping[str, Any]]


class FakeClient:
    """Receives frames; while it does not read, ``send`` blocks, save for a close frame.

    ``write_now`` declines everything unless ``keeps_up``.
    """

    def __init__(self, *, keeps_up: bool = False) -> None:
        self.keeps_up = keeps_up
        self.received: Sent = []
        self.tried: list[str] = []
        self.reading = asyncio.Event()
        self.gone = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.tried.append(message.get("text", message["type"]))
        if message["type"] == "websocket.close":
            self.reading.set()
        await self.reading.wait()
        if self.gone:
            raise OSError
        if self.received and self.received[-1]["type"] == "websocket.close":
            raise RuntimeError
        self.received.append(message)

    def write_now(self, texts: Sequence[str]) -> bool:
        if self.keeps_up:
            self.received += [{"type": "websocket.send", "text": text} for text in texts]
        return self.keeps_up

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.received if "text" in message]


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_frames_arrive_in_order_and_the_close_frame_last() -> None:
    async def scenario() -> Sent:
        client = FakeClient()
        client.reading.set()
        outbox = Outbox(client.send, client.write_now, bytes_max=100)
        assert [outbox.put(text, 1) for text in "abc"] == [True] * 3
        await outbox.close(DELETED)
        await settle()
        return client.received

    received = asyncio.run(scenario())
    assert [message.get("text") for message in received] == ["a", "b", "c", None]
    assert (received[-1]["code"], received[-1]["reason"]) == (1000, "Connection Closed Normally")


def test_frame_for_a_client_too_far_behind_is_refused_until_it_reads() -> None:
    async def scenario() -> list[bool]:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        answers = [outbox.put("x", 6), outbox.put("y", 4), outbox.put("z", 1)]
        client.reading.set()
        await settle()
        assert client.texts == ["x", "y"]
        return [*answers, outbox.put("z", 1)]

    assert asyncio.run(scenario()) == [True, True, False, True]


@pytest.mark.parametrize(("text", "size"), [("", 0), ("x", 1)])
def test_frames_with_hardly_a_byte_are_refused_in_the_end_as_well(text: str, size: int) -> None:
    async def scenario() -> tuple[int, list[str]]:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=1024 * 1024)
        taken = 0
        while outbox.put(text, size) and taken < 100_000:
            taken += 1
        client.reading.set()
        await settle()
        assert outbox.put("again", 5)
        await settle()
        return taken, client.texts

    taken, texts = asyncio.run(scenario())
    assert taken == 4_096
    assert texts == [*[text] * taken, "again"]


def test_single_frame_larger_than_the_buffer_is_taken_when_nothing_waits() -> None:
    async def scenario() -> bool:
        client = FakeClient()
        return Outbox(client.send, client.write_now, bytes_max=10).put("x", 1_000)

    assert asyncio.run(scenario())


def test_close_does_not_wait_for_a_client_that_does_not_read() -> None:
    async def scenario() -> Sent:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        outbox.put("x", 1)
        outbox.put("y", 1)
        await settle()
        await outbox.close(DELETED)
        await settle()
        return client.received

    assert "websocket.close" in [message["type"] for message in asyncio.run(scenario())]


def test_frames_for_a_client_that_has_gone_are_dropped() -> None:
    async def scenario() -> list[str]:
        client = FakeClient()
        client.gone = True
        client.reading.set()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        outbox.put("x", 10)
        await settle()
        assert outbox.put("y", 10), "the sender cannot know yet"
        await outbox.close(DELETED)
        await settle()
        return client.texts

    assert asyncio.run(scenario()) == []


def test_client_that_has_gone_is_sent_nothing_more_and_never_too_far_behind() -> None:
    async def scenario() -> list[str]:
        client = FakeClient()
        client.gone = True
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        for text in "xyz":
            assert outbox.put(text, 3)
        assert not outbox.put("too much", 8)
        client.reading.set()
        await settle()
        for _ in range(5_000):
            assert outbox.put("as to a client that has gone", 28)
        await settle()
        return client.tried

    assert asyncio.run(scenario()) == ["x"]


def test_client_that_keeps_up_has_its_frame_when_put_returns() -> None:
    async def scenario() -> list[str]:
        client = FakeClient(keeps_up=True)
        Outbox(client.send, client.write_now, bytes_max=10).put("x", 1)
        assert client.texts == ["x"]
        client.reading.set()
        await settle()
        return client.texts

    assert asyncio.run(scenario()) == ["x"], "and not once more"


def test_frame_waits_behind_those_that_wait_though_the_client_reads_again() -> None:
    async def scenario() -> list[str]:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        outbox.put("x", 1)
        client.keeps_up = True
        outbox.put("y", 1)
        client.reading.set()
        await settle()
        return client.texts

    assert asyncio.run(scenario()) == ["x", "y"]


def test_frames_put_in_one_piece_do_not_overtake_those_that_wait() -> None:
    async def scenario() -> list[str]:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        outbox.put("x", 1)
        client.keeps_up = True
        assert not outbox.put_now(["y", "z"])
        client.reading.set()
        await settle()
        assert outbox.put_now(["y", "z"])
        return client.texts

    assert asyncio.run(scenario()) == ["x", "y", "z"]


def test_nothing_is_written_behind_the_close_frame() -> None:
    async def scenario() -> Sent:
        client = FakeClient(keeps_up=True)
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        await outbox.close(DELETED)
        await settle()
        assert outbox.put("x", 1), "as to a client that has gone"
        assert not outbox.put_now(["y"])
        await settle()
        return client.received

    assert [message["type"] for message in asyncio.run(scenario())] == ["websocket.close"]


def test_connection_is_closed_once_and_what_waited_is_not_sent_behind_that() -> None:
    async def scenario() -> list[str]:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        for text in "xyz":
            outbox.put(text, 1)
        await settle()
        await outbox.close(DELETED)
        await outbox.close(DELETED)
        await settle()
        return client.tried

    # The sender finds out with the frame that it waits with.
    assert asyncio.run(scenario()) == ["x", "websocket.close"]


def test_close_does_not_wait_behind_an_empty_frame_either() -> None:
    async def scenario() -> Sent:
        client = FakeClient()
        outbox = Outbox(client.send, client.write_now, bytes_max=10)
        outbox.put("", 0)
        await settle()
        await outbox.close(DELETED)
        await settle()
        return client.received

    assert "websocket.close" in [message["type"] for message in asyncio.run(scenario())]
