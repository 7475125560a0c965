"""The connection: comes back by itself, asks until it is answered, and stops where it must."""

import asyncio
import json
import time
from collections import deque
from dataclasses import replace

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from orderflow_client import (
    Client,
    ClientClosedError,
    DefectError,
    InvalidRequestError,
    LimitReachedError,
    RefusedError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from orderflow_client.addresses import addresses
from orderflow_client.credentials import Credentials
from orderflow_client.session import FRAME_BYTES_MAX, Frame, Session
from orderflow_client.tries import Effect
from tests.fakes.engine_server import FakeEngine
from tests.unit.orderflow_client.conftest import QUICK, Play, play_with

BUSY = {"code": "RATE_LIMITED", "message": "later"}
UNKNOWN = {"code": "OUTCOME_UNKNOWN", "message": "perhaps"}
AWAY = {"code": "SERVICE_UNAVAILABLE", "message": "in a moment"}


@pytest.mark.parametrize("refusal", [BUSY, UNKNOWN, AWAY, None])
def test_submit_is_repeated_under_the_same_key_until_its_outcome_is_known(
    play: Play[None], refusal: dict[str, str] | None
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([refusal, refusal])
        order = await client.submit(side="sell", amount="1")
        submits = [frame for frame in engine.received if frame["action"] == "submit"]
        assert submits == [submits[0]] * 3
        assert list(engine.orders) == [order.id]

    play(story)


def test_submit_whose_answer_is_lost_with_the_connection_is_sent_by_the_next_one_and_is_one_order() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if engine.connected == 1 else [frame]
        asking = asyncio.create_task(client.submit(side="sell", amount="1"))
        await engine.until(lambda: bool(engine.orders))
        engine.cut()
        order = await asking
        assert [event.seq async for event in order.events()] == [1, 2, 3, 4, 5, 6]
        assert list(engine.orders) == [order.id]

    play_with(replace(QUICK, answer_s=3_600))(story)


def test_submit_that_meets_a_connection_which_has_just_ended_is_sent_by_the_next_one(
    play: Play[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = ClientConnection.send
    ended: list[ClientConnection] = []

    async def send(connection: ClientConnection, text: str) -> None:
        if not ended:
            ended.append(connection)
            raise ConnectionClosedError(None, None)
        await sends(connection, text)

    monkeypatch.setattr(ClientConnection, "send", send)

    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(side="sell", amount="1")
        assert list(engine.orders) == [order.id]
        assert engine.connected == 2

    play(story)


def test_connection_that_brings_other_frames_is_kept_when_an_answer_is_lost() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        other = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        engine.refusals["submit"] = deque([None])
        asking = asyncio.create_task(client.submit(side="sell", amount="1"))
        await engine.until(lambda: [frame["action"] for frame in engine.received].count("submit") == 2)
        await engine.happens(other.id, "canceled")
        await asking
        assert engine.connected == 1

    play_with(replace(QUICK, answer_s=0.1))(story)


def test_event_that_overtakes_its_acceptance_is_the_acceptance_and_is_not_lost() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if frame["type"] == "accepted" else [frame]
        order = await client.submit(side="sell", amount="1")
        assert (await order.result()).seq == 6
        assert not engine.requests, "the record need not be asked for it"

    play_with(replace(QUICK, quiet_s=86_400, quiet_most_s=86_400, gap_s=86_400))(story)


def test_outcome_that_stays_unknown_names_the_key_to_ask_again_with() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([UNKNOWN] * 99)
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.submit(side="sell", amount="1", client_order_id="mine")
        assert caught.value.client_order_id == "mine"
        engine.refusals["submit"] = deque([BUSY] * 99)
        with pytest.raises(LimitReachedError):
            await client.submit(side="sell", amount="1")
        engine.refusals["submit"] = deque([UNKNOWN, *[BUSY] * 99])
        with pytest.raises(UnknownOutcomeError, match="perhaps; then: RATE_LIMITED") as caught:
            await client.submit(side="sell", amount="1", client_order_id="mine")
        assert caught.value.client_order_id == "mine"

    play_with(replace(QUICK, time_limit_s=0.5))(story)


@pytest.mark.parametrize("then", [{"code": "UNAUTHORIZED", "message": "no"}, {"code": "X", "message": ""}])
def test_submit_that_is_refused_after_its_answer_was_lost_may_have_been_accepted(
    play: Play[None], then: dict[str, str]
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([None, then])
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.submit(side="sell", amount="1")
        assert caught.value.client_order_id == engine.received[0]["clientOrderId"]
        engine.refusals["submit"] = deque([None, then])
        with pytest.raises(RefusedError):
            await client.preview(side="sell", amount="1")

    play(story)


def test_credential_that_is_refused_after_an_answer_was_lost_leaves_the_order_unknown(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([None])
        asking = asyncio.create_task(client.submit(side="sell", amount="1"))
        await engine.until(lambda: bool(engine.received))
        engine.handshakes.append(401)
        engine.cut()
        with pytest.raises(UnknownOutcomeError) as caught:
            await asking
        assert isinstance(caught.value.__cause__, UnauthorizedError)

    play(story)


def test_refusal_that_will_not_pass_is_told_at_once(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([{"code": "INTERNAL_ERROR", "message": "a defect"}])
        with pytest.raises(DefectError):
            await client.submit(side="sell", amount="1")
        with pytest.raises(InvalidRequestError, match="MESSAGE_TOO_LARGE"):
            await client.submit(side="sell", amount="1", client_order_id="x" * 40_000)
        assert len(engine.received) == 1

    play(story)


def a_session(engine: FakeEngine) -> Session:
    async def connected() -> None:
        pass

    where = addresses(engine.url, engine.rest_url)
    return Session(
        where,
        Credentials("token", where),
        QUICK,
        on_frame=lambda _frame: None,
        on_connected=connected,
        on_failed=lambda _error: None,
    )


def test_frame_of_as_many_bytes_as_the_gateway_takes_is_sent_and_none_with_one_more() -> None:
    """Bytes of UTF-8: a letter with an accent is two of them."""
    bare = len(json.dumps({"action": "ping", "text": "", "requestId": "q1"}, separators=(",", ":")))
    accents, letter = divmod(FRAME_BYTES_MAX - bare, 2)
    text = "é" * accents + "x" * letter

    async def story() -> None:
        async with FakeEngine() as engine:
            session = a_session(engine)
            await session.ask({"action": "ping", "text": text}, effect=Effect.NOTHING)
            with pytest.raises(InvalidRequestError) as caught:
                await session.ask({"action": "ping", "text": text + "x"}, effect=Effect.NOTHING)
            await session.close()
            assert caught.value.code == "MESSAGE_TOO_LARGE"
            assert [frame["text"] for frame in engine.received] == [text]

    asyncio.run(story())
    assert FRAME_BYTES_MAX == 32_000


def test_question_that_may_have_been_carried_out_before_the_client_was_closed_stays_unknown() -> None:
    async def story() -> None:
        async with FakeEngine() as engine:
            session = a_session(engine)
            await session.close()
            unknown = UnknownOutcomeError("perhaps")
            with pytest.raises(UnknownOutcomeError, match="perhaps; then: the client is closed"):
                await session.ask({"action": "submit"}, effect=Effect.SAME, unknown=unknown)
            with pytest.raises(ClientClosedError):
                await session.ask({"action": "submit"}, effect=Effect.SAME)

    asyncio.run(story())


def test_question_after_one_that_was_too_many_waits_as_long_as_that_one() -> None:
    async def story() -> None:
        async with FakeEngine() as engine:
            session = a_session(engine)
            engine.refusals["ping"] = deque([BUSY])
            first = asyncio.create_task(session.ask({"action": "ping"}, effect=Effect.NOTHING))
            await engine.until(lambda: not engine.refusals["ping"])
            refused_at = time.monotonic()
            await asyncio.sleep(0.01)
            await session.ask({"action": "subscribe"}, effect=Effect.NOTHING)
            assert time.monotonic() - refused_at >= 0.05
            await first
            await session.close()

    asyncio.run(story())


def test_idle_connection_is_kept_open_by_pings_and_an_old_one_is_renewed() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        await engine.until(lambda: engine.connected >= 3)
        assert {"action": "ping"} in engine.received
        await engine.happens(order.id, "canceled")
        assert [event.seq async for event in order.events()] == [1, 2, 3]

    play_with(replace(QUICK, idle_s=0.05, connection_s=0.4))(story)


def test_connection_on_which_nothing_comes_is_pinged_again_and_again_and_kept() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.submit(side="sell", amount="1")
        await engine.until(lambda: engine.received.count({"action": "ping"}) >= 2)
        assert engine.connected == 1

    play_with(replace(QUICK, idle_s=0.02, connection_s=5))(story)


def test_connection_to_be_renewed_is_left_as_soon_as_the_question_that_is_under_way_is_answered() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        kept: list[Frame] = []
        engine.deliver = lambda frame: kept.append(frame) or []  # type: ignore[func-returns-value]
        asking = asyncio.create_task(client.submit(type="limit", side="buy", amount="1", limit_price="1"))
        await engine.until(lambda: bool(engine.orders))
        (connection,) = engine.connections
        engine.deliver = lambda frame: [frame]
        await asyncio.sleep(0.1)
        await connection.send(json.dumps(kept[0]))
        await asking
        assert [frame["action"] for frame in engine.received].count("submit") == 1
        assert engine.connected == 1
        await client.submit(side="sell", amount="1")
        assert engine.connected >= 2

    play_with(replace(QUICK, connection_s=0.05, answer_s=3_600, time_limit_s=10))(story)


def test_questions_beyond_the_limit_wait_their_turn() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.refusals["submit"] = deque([None] * 99)
        asking = [asyncio.create_task(client.submit(side="sell", amount="1")) for _ in range(5)]
        await engine.until(lambda: len(engine.received) >= 2)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(engine.received) == 2
        for task in asking:
            task.cancel()

    play_with(replace(QUICK, in_flight_max=2, answer_s=5))(story)


def test_garbage_from_the_engine_is_passed_over(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.submit(side="sell", amount="1")
        (connection,) = engine.connections
        for text in (
            "nonsense",
            "[1]",
            '{"type":"order"}',
            '{"message":"Internal server error"}',
            "[" * 9_999,
        ):
            await connection.send(text)
        await client.submit(side="sell", amount="1")
        assert engine.connected == 1

    play(story)


def test_frames_of_a_batch_are_taken_one_by_one_and_what_is_none_among_them_is_passed_over(
    play: Play[None],
) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        garbage = [None, {"type": "order", "requestId": []}]
        engine.deliver = lambda frame: [
            {"type": "batch", "frames": [*garbage, frame]},
            {"type": "batch", "frames": 7},
        ]
        order = await client.submit(side="sell", amount="1")
        assert [event.seq async for event in order.events()] == [1, 2, 3, 4, 5, 6]
        assert engine.connected == 1

    play(story)


def test_frame_that_the_network_does_not_take_is_given_up_at_the_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_connection: ClientConnection, _text: str) -> None:
        await asyncio.Event().wait()

    async def story(_engine: FakeEngine, client: Client) -> None:
        await client.preview(side="sell", amount="1")
        monkeypatch.setattr(ClientConnection, "send", never)
        with pytest.raises(UnknownOutcomeError):
            await client.submit(side="sell", amount="1")

    play_with(replace(QUICK, time_limit_s=0.5))(story)
