"""An order's events: each once and in order, whatever the network does to frames and connections."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from orderflow_client import (
    Client,
    DisconnectedError,
    NotFoundError,
    Order,
    OrderFields,
    UnauthorizedError,
    UnknownOutcomeError,
)
from orderflow_client.history import KEPT_MAX
from tests.fakes.engine_server import LIFE, FakeEngine
from tests.unit.orderflow_client.conftest import QUICK, Play, play_with

Frame = dict[str, Any]
AWAY = {"code": "SERVICE_UNAVAILABLE", "message": "the database did not answer"}
BUSY = {"code": "RATE_LIMITED", "message": "too many frames"}
UNHEARD = {"code": "ORDER_NOT_FOUND", "message": "no such order"}
WHOLE = list(range(1, len(LIFE) + 1))


async def seqs(order: Order) -> list[int]:
    return [event.seq async for event in order.events()]


def doubled(frame: Frame) -> list[Frame]:
    return [frame, frame]


def without(*lost: int) -> Any:
    return lambda frame: [] if frame.get("seq") in lost else [frame]


@pytest.mark.parametrize(
    "deliver",
    [doubled, without(3), without(6), without(1, 2, 3, 4, 5, 6)],
    ids=["doubled", "gap", "end", "all"],
)
def test_frames_that_are_doubled_or_lost_do_not_show(play: Play[None], deliver: Any) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = deliver
        assert await seqs(await client.submit(side="sell", amount="1")) == WHOLE

    play(story)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_connections_that_break_after_any_frame_do_not_show(play: Play[None], frames: int) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.drop_after = frames
        assert await seqs(await client.submit(side="sell", amount="1")) == WHOLE

    play(story)


@pytest.mark.parametrize("seed", range(4))
def test_many_orders_over_a_bad_network_are_each_whole(play: Play[None], seed: int) -> None:
    dice = random.Random(seed)

    def bad(frame: Frame) -> list[Frame]:
        return [frame] * dice.choice([0, 1, 1, 1, 1, 2])

    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = bad
        engine.drop_after = 40

        async def one(number: int) -> list[int]:
            return await seqs(await client.submit(side="sell", amount=str(number + 1)))

        assert await asyncio.gather(*(one(number) for number in range(30))) == [WHOLE] * 30
        assert len(engine.orders) == 30

    play(story)


@pytest.mark.parametrize("is_reached", [True, False])
def test_engine_that_is_away_for_longer_than_the_time_limit_delays_events_and_no_more(
    *, is_reached: bool
) -> None:
    async def story() -> None:
        async with FakeEngine() as engine:
            order_id = await engine.comes_and_ends("of another time")
            engine.refusals["subscribe"] = deque([AWAY] * 1_000)
            engine.handshakes.extend([0 if is_reached else 503] * 1_000)
            limits = replace(QUICK, time_limit_s=0.3)
            async with Client(engine.url, rest_url=engine.rest_url, limits=limits) as client:
                order = await in_time(lambda: client.order(order_id))
                assert await seqs(order) == WHOLE

    asyncio.run(story())


async def in_time(ask: Callable[[], Awaitable[Order]]) -> Order:
    """Ask until the answer comes in the little time that the client has, as at first on a busy machine."""
    while True:
        with suppress(DisconnectedError, UnknownOutcomeError):
            return await ask()


def asked(engine: FakeEngine) -> int:
    return sum(frame["action"] == "subscribe" for frame in engine.received)


@pytest.mark.parametrize("refusal", [AWAY, BUSY])
def test_order_is_subscribed_to_again_however_long_the_engine_refuses_it(refusal: Frame) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await in_time(lambda: client.submit(type="limit", side="sell", amount="1", limit_price="150"))
        events = aiter(order.events())
        assert [(await anext(events)).status for _ in range(2)] == ["pending", "open"]
        engine.refusals["subscribe"] = deque([refusal] * 8)
        engine.cut()
        await engine.until(lambda: asked(engine) >= 9)
        await engine.happens(order.id, "canceled")
        assert (await anext(events)).status == "canceled"

    play_with(replace(QUICK, time_limit_s=0.2, quiet_s=10_000))(story)  # the record is not asked instead


def test_order_that_was_in_the_queue_still_when_a_connection_was_lost_is_subscribed_to_once_on_record() -> (
    None
):
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.life = ()
        order = await client.submit(side="sell", amount="1")
        engine.refusals["subscribe"] = deque([UNHEARD])
        engine.cut()
        await engine.until(lambda: asked(engine) == 1)
        await client.preview(side="sell", amount="1")  # the question before was answered
        await engine.happens(order.id, "pending")
        events = aiter(order.events())
        assert (await anext(events)).status == "pending"
        following = asyncio.ensure_future(anext(events))
        await engine.until(lambda: asked(engine) == 2)
        await engine.happens(order.id, "routing")
        assert (await following).status == "routing"

    play_with(QUICK)(story)


def test_order_that_could_not_be_subscribed_to_at_first_is_when_the_record_has_been_asked() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.preview(side="sell", amount="1")  # it is connected
        order_id = await engine.comes_and_ends("of another time")
        del engine.orders[order_id][1:]
        engine.refusals["subscribe"] = deque([AWAY] * 1_000)
        events = aiter((await in_time(lambda: client.order(order_id))).events())
        assert (await anext(events)).status == "pending"
        engine.refusals.clear()
        before = asked(engine)
        following = asyncio.ensure_future(anext(events))
        await engine.until(lambda: asked(engine) > before)
        await engine.happens(order_id, "routing")
        assert (await following).status == "routing"

    play_with(replace(QUICK, time_limit_s=0.3))(story)


def test_order_that_is_subscribed_to_is_not_again_however_silent_it_is() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        await client.preview(side="sell", amount="1")  # it is connected
        order_id = await engine.comes_and_ends("of another time")
        del engine.orders[order_id][1:]
        events = aiter((await client.order(order_id)).events())
        assert (await anext(events)).status == "pending"
        following = asyncio.ensure_future(anext(events))
        looks = len(engine.requests)
        await engine.until(lambda: len(engine.requests) >= looks + 4)
        await engine.happens(order_id, "routing")
        assert (await following).status == "routing"
        assert asked(engine) == 1

    play_with(replace(QUICK, quiet_s=0.01, quiet_most_s=0.01))(story)


def test_order_that_was_just_accepted_is_subscribed_to_by_that(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        assert await seqs(await client.submit(side="sell", amount="1")) == WHOLE
        assert asked(engine) == 0

    play(story)


def test_question_does_not_wait_for_all_orders_that_are_subscribed_to_again() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        terms = OrderFields(type="limit", side="sell", amount="1", limit_price="150")
        held = await client.submit_batch([terms] * 100)
        engine.cut()
        await engine.until(lambda: asked(engine) > 0)
        await client.cancel_all()
        assert asked(engine) < len(held)

    play_with(replace(QUICK, in_flight_max=4, answer_s=60))(story)


def test_cancel_does_not_wait_for_all_orders_that_are_looked_up_for_their_silence(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        terms = OrderFields(type="limit", side="sell", amount="1", limit_price="150")
        order = await client.submit(**terms)
        looks = [asyncio.ensure_future(client.read_events(order.id, 2)) for _ in range(200)]
        await engine.until(lambda: len(engine.requests) > 0)
        await order.cancel()
        assert len(engine.requests) < len(looks) / 2
        await asyncio.gather(*looks)

    play(story)


def test_two_who_follow_one_order_see_the_same(play: Play[None]) -> None:
    async def story(_engine: FakeEngine, client: Client) -> None:
        order = await client.submit(side="sell", amount="1")
        assert list(await asyncio.gather(seqs(order), seqs(order))) == [WHOLE, WHOLE]

    play(story)


def test_order_with_more_events_than_are_kept_is_read_from_the_record(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        seen = order.events()
        first = [(await anext(seen)).seq, (await anext(seen)).seq]
        await engine.happens(order.id, *["open"] * (KEPT_MAX + 5), "canceled")
        assert first + [event.seq async for event in seen] == list(range(1, KEPT_MAX + 9))

    play(story)


def test_orders_that_nobody_holds_any_more_are_forgotten(play: Play[None]) -> None:
    async def story(_engine: FakeEngine, client: Client) -> None:
        for _ in range(50):
            await (await client.submit(side="sell", amount="1")).result()
        assert len(client._orders) <= 1

    play(story)


def test_refused_credential_ends_following(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order = await client.submit(type="limit", side="buy", amount="1", limit_price="1")
        engine.handshakes.append(401)
        refusal: Frame = {"code": "UNAUTHORIZED", "message": "expired", "details": []}
        engine.rest_refusals.extend([(401, refusal, {})] * 9)
        engine.cut()
        with pytest.raises(UnauthorizedError):
            await order.result()

    play(story)


def test_state_of_an_order_is_read_without_waiting(play: Play[None]) -> None:
    async def story(_engine: FakeEngine, client: Client) -> None:
        order = await client.submit(side="sell", amount="1")
        await order.result()
        assert (order.status, order.is_final) == ("confirmed", True)
        assert order.last_event is not None
        assert repr(order) == f"<Order {order.id} confirmed>"
        assert (await order.read()).order_id == order.id

    play(story)


def test_event_that_is_missing_between_others_is_asked_for_long_before_a_silence_is_over() -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        engine.deliver = lambda frame: [] if frame.get("seq") == 2 else [frame]
        order = await client.submit(type="limit", side="sell", amount="1", limit_price="9")
        seen = order.events()
        assert (await anext(seen)).seq == 1
        following = asyncio.ensure_future(anext(seen))
        await engine.happens(order.id, "canceled")
        assert (await following).seq == 2
        assert [event.seq async for event in seen] == [3]

    play_with(replace(QUICK, quiet_s=86_400, quiet_most_s=86_400))(story)


def test_order_that_is_on_record_no_more_is_told_of_as_missing(play: Play[None]) -> None:
    async def story(engine: FakeEngine, client: Client) -> None:
        order_id = str(UUID(int=7))
        engine.terms[order_id], engine.orders[order_id] = {"type": "limit"}, []
        await engine.happens(order_id, "pending", "open")
        seen = (await client.order(order_id)).events()
        assert [(await anext(seen)).seq for _ in range(2)] == [1, 2]
        engine.orders[order_id].clear()
        with pytest.raises(NotFoundError):
            await anext(seen)

    play(story)
