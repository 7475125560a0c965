"""Clients' frames that are read without a parser are what the parser makes of them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from chalice_offline.gateway.client_frames import FrameEnds, whole_text
from tests.unit.chalice_offline.gateway.clients import websocket_url
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway


def a_frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=mask)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1_000, 1_001])
def test_whole_text_is_read_up_to_the_size_allowed(size: int) -> None:
    payload = bytes(range(256)) * 4
    assert whole_text(a_frame(payload[:size]), bytes_max=1_000) == (payload[:size] if size <= 1_000 else None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        a_frame(b"part", fin=False),
        a_frame(b"rest", Opcode.CONT),
        a_frame(b"ping", Opcode.PING),
        a_frame(b"in the clear", mask=False),
        a_frame(b"x" * 70_000),
        a_frame(b"cut")[:-1],
        a_frame(b"x" * 200)[:7],
        a_frame(b"one") + a_frame(b"two"),
        b"\xc1" + a_frame(b"of an extension")[1:],
    ],
    # Masks are made up anew each time: no names.
    ids=[
        "nothing",
        "half a head",
        "first of several",
        "last of several",
        "ping",
        "no mask",
        "64-bit length",
        "cut at its end",
        "cut in its mask",
        "two",
        "of an extension",
    ],
)
def test_what_is_not_one_whole_text_is_left_to_the_parser(data: bytes) -> None:
    assert whole_text(data, bytes_max=100_000) is None


@given(st.binary(max_size=40))
def test_whatever_is_read_is_what_a_parser_reads(data: bytes) -> None:
    read = whole_text(b"\x81" + data, bytes_max=1_000)
    if read is not None:
        parser = Protocol(SERVER)
        parser.receive_data(b"\x81" + data)
        [frame] = parser.events_received()
        assert isinstance(frame, Frame)
        assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, read)


@given(
    st.lists(st.tuples(st.sampled_from([0, 3, 125, 126, 300, 66_000]), st.booleans()), max_size=5),
    st.lists(st.integers(1, 400), min_size=1),
)
def test_ends_of_frames_are_known_however_they_are_cut(
    frames: list[tuple[int, bool]], cuts: list[int]
) -> None:
    data, ends = b"", {0}
    for size, mask in frames:
        data += a_frame(b"x" * size, Opcode.TEXT, mask=mask)
        ends.add(len(data))
    follower, at = FrameEnds(), 0
    while at < len(data):
        # Small pieces around each end, where heads are cut; large ones elsewhere.
        size = cuts[at % len(cuts)] if any(abs(end - at) < 500 for end in ends) else 10_000
        follower.follow(data[at : at + size])
        at = min(len(data), at + size)
        assert follower.is_between is (at in ends)


def test_texts_are_understood_in_order_among_frames_of_other_kinds_however_they_are_cut() -> None:
    async def scenario() -> list[str]:
        functions = FakeFunctions()
        async with a_gateway(functions) as gateway, connect(websocket_url(gateway)) as client:
            third, fifth = a_frame(b"3"), a_frame(b"5")
            pieces = [
                a_frame(b"1"),
                a_frame(b"2", fin=False),
                a_frame(b"ping", Opcode.PING),
                a_frame(b"2", Opcode.CONT),
                third[:3],
                third[3:],
                a_frame(b"4") + fifth[:5],
                fifth[5:],
                a_frame(b"6"),
            ]
            for piece in pieces:
                client.transport.write(piece)
                await asyncio.sleep(
                    0.001
                )  # so that each is read by itself, which only makes the test sharper
            await functions.wait_for("message", 6)
            return [event["body"] for event in functions.events_of("message")]

    assert asyncio.run(scenario()) == ["1", "22", "3", "4", "5", "6"]


def test_text_within_a_message_in_parts_ends_the_connection() -> None:
    async def scenario() -> int | None:
        async with a_gateway(FakeFunctions()) as gateway, connect(websocket_url(gateway)) as client:
            client.transport.write(a_frame(b"begun", fin=False))
            await (await client.ping())
            client.transport.write(a_frame(b"another"))
            await client.wait_closed()
            return client.close_code

    assert asyncio.run(scenario()) == 1002
