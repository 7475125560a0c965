"""The feed of an account: each event once, each order's in order, what was lost read from the record."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from orderflow_client import feed as feed_module
from orderflow_client.errors import (
    ClientClosedError,
    DisconnectedError,
    LimitReachedError,
    OrderflowError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from orderflow_client.feed import WAITING_MAX, Feed
from orderflow_client.models import OrderBody, OrderEventFrame

LIFE = ("pending", "routing", "routed", "building", "submitted", "confirmed")


def an_event(order_id: str, seq: int) -> OrderEventFrame:
    return OrderEventFrame.from_wire(
        {
            "type": "order",
            "orderId": order_id,
            "clientOrderId": None,
            "seq": seq,
            "status": LIFE[seq - 1],
            "attempt": 1,
            "at": "2026-11-28T00:00:00.000Z",
        }
    )


async def recorded(order_id: str, after_seq: int) -> Sequence[OrderEventFrame]:
    """Return two events to a page, as a record that has all of them."""
    return [an_event(order_id, seq) for seq in range(after_seq + 1, len(LIFE) + 1)][:2]


async def no_orders() -> AsyncGenerator[OrderBody, None]:
    none: Sequence[OrderBody] = ()
    for order in none:
        yield order


async def all_of(feed: Feed) -> list[tuple[str, int]]:
    feed.end(ClientClosedError("the client is closed"))
    seen: list[tuple[str, int]] = []

    async def iterate() -> None:
        async for event in feed.events():
            seen.append((event.order_id, event.seq))  # noqa: PERF401  # the iteration ends by an error

    with pytest.raises(ClientClosedError):
        await iterate()
    return seen


def seen_of(events: Sequence[tuple[str, int]], *, is_resumed: bool = False) -> list[tuple[str, int]]:
    feed = Feed(recorded, no_orders)
    for order_id, seq in events:
        feed.add(an_event(order_id, seq))

    async def story() -> list[tuple[str, int]]:
        seen = await all_of(feed)
        if is_resumed:
            feed.resumed()
            seen += await all_of(feed)
        return seen

    return asyncio.run(story())


def test_events_of_two_orders_come_as_they_came() -> None:
    came = [("a", 1), ("b", 1), ("b", 2), ("a", 2)]
    assert seen_of(came) == came


def test_doubled_frame_is_dropped_also_after_the_final_one() -> None:
    life = [("a", seq) for seq in range(1, 7)]
    assert seen_of([*life, ("a", 6), ("a", 1)]) == life
    assert seen_of([("a", 1), ("a", 1), ("a", 2)]) == [("a", 1), ("a", 2)]


def test_missing_frame_is_read_from_the_record() -> None:
    assert seen_of([("a", 1), ("a", 5), ("a", 6)]) == [("a", seq) for seq in range(1, 7)]


def test_order_that_ended_while_the_connection_was_lost_is_read_to_its_end() -> None:
    assert seen_of([("a", 1), ("a", 2)], is_resumed=True) == [("a", seq) for seq in range(1, 7)]


def an_order(order_id: str, *, accepted_s: int, updated_s: int) -> OrderBody:
    return OrderBody.from_wire(
        {
            "type": "market",
            "orderId": order_id,
            "seq": 6,
            "status": "confirmed",
            "attempt": 1,
            "swapMode": "exactIn",
            "acceptedAt": f"2026-11-28T00:{accepted_s // 60:02}:{accepted_s % 60:02}Z",
            "updatedAt": f"2026-11-28T00:{updated_s // 60:02}:{updated_s % 60:02}Z",
        }
    )


def test_order_that_waited_in_the_queue_and_then_ended_unseen_is_found_behind_newer_ones() -> None:
    lists = [
        [an_order("old", accepted_s=0, updated_s=1)],
        [
            *[an_order(f"unseen {n}", accepted_s=900 + n, updated_s=1200) for n in range(2)],
            an_order("old", accepted_s=0, updated_s=1),
            an_order("waited", accepted_s=0, updated_s=1200),
        ],
    ]

    async def orders() -> AsyncGenerator[OrderBody, None]:
        for order in lists.pop(0):
            yield order

    async def story() -> list[tuple[str, int]]:
        feed = Feed(recorded, orders)
        await feed.begin()
        feed.lost()
        feed.resumed()
        return await all_of(feed)

    seen = asyncio.run(story())
    assert seen == [(order_id, seq) for order_id in ("waited", "unseen 1", "unseen 0") for seq in range(1, 7)]


def test_order_that_ended_unseen_is_found_by_a_clock_that_is_a_minute_behind_the_newest_events() -> None:
    lists = [[], [an_order("unseen", accepted_s=71, updated_s=71)]]

    async def orders() -> AsyncGenerator[OrderBody, None]:
        for order in lists.pop(0):
            yield order

    async def story() -> list[tuple[str, int]]:
        feed = Feed(recorded, orders)
        await feed.begin()
        for seq in range(1, 7):
            feed.add(replace(an_event("known", seq), at=datetime(2026, 11, 28, 0, 2, 10, tzinfo=UTC)))
        feed.lost()
        feed.resumed()
        return await all_of(feed)

    assert [seq for order_id, seq in asyncio.run(story()) if order_id == "unseen"] == [1, 2, 3, 4, 5, 6]


AWAY = UnavailableError("SERVICE_UNAVAILABLE", "the database did not answer")


@pytest.mark.parametrize("fault", [AWAY, DisconnectedError("not reached"), UnknownOutcomeError("no answer")])
def test_outage_that_outlasts_the_time_limit_of_a_read_loses_nothing(fault: OrderflowError) -> None:
    async def orders() -> AsyncGenerator[OrderBody, None]:
        failing_once("orders")
        yield an_order("unseen", accepted_s=60, updated_s=60)

    failed: set[str] = set()

    def failing_once(what: str) -> None:
        if what not in failed:
            failed.add(what)
            raise fault

    async def read(order_id: str, after_seq: int) -> Sequence[OrderEventFrame]:
        failing_once(f"{order_id} after {after_seq}")
        return await recorded(order_id, after_seq)

    feed = Feed(read, orders)
    feed.add(an_event("a", 1))
    feed.add(an_event("a", 3))
    feed.lost()
    feed.resumed()

    async def story() -> list[tuple[str, int]]:
        events = aiter(feed.events())
        return [((event := await anext(events)).order_id, event.seq) for _ in range(12)]

    expected = [(order_id, seq) for order_id in ("unseen", "a") for seq in range(1, 7)]
    assert asyncio.run(story()) == expected


def test_record_that_asks_to_be_left_alone_for_longer_than_a_call_may_take_is_left_alone() -> None:
    """A call that may not be tried again within its time limit fails at once."""
    asked_at: list[float] = []

    async def read(order_id: str, after_seq: int) -> Sequence[OrderEventFrame]:
        asked_at.append(time.monotonic())
        if len(asked_at) < 4:
            raise LimitReachedError("RATE_LIMITED", "too many", retry_after_s=0.25)
        return await recorded(order_id, after_seq)

    feed = Feed(read, no_orders)
    feed.add(an_event("a", 2))

    async def story() -> OrderEventFrame:
        return await anext(aiter(feed.events()))

    assert asyncio.run(story()).seq == 1
    assert all(later - earlier >= 0.25 for earlier, later in pairwise(asked_at))


def test_feed_that_ends_while_it_leaves_the_record_alone_ends_at_once() -> None:
    async def read(_order_id: str, _after_seq: int) -> Sequence[OrderEventFrame]:
        asyncio.get_running_loop().call_soon(feed.end, ClientClosedError("the client is closed"))
        raise LimitReachedError("RATE_LIMITED", "too many", retry_after_s=3_600.0)

    feed = Feed(read, no_orders)
    feed.add(an_event("a", 2))

    async def story() -> None:
        await anext(aiter(feed.events()))

    with pytest.raises(ClientClosedError):
        asyncio.run(story())


def test_credential_that_is_refused_in_an_outage_ends_the_feed() -> None:
    async def read(_order_id: str, _after_seq: int) -> Sequence[OrderEventFrame]:
        raise AWAY

    async def story() -> None:
        feed = Feed(read, no_orders)
        feed.add(an_event("a", 2))
        feed.end(UnauthorizedError("UNAUTHORIZED", "expired"))
        async for _event in feed.events():
            pass

    with pytest.raises(UnauthorizedError):
        asyncio.run(story())


def test_reader_that_is_far_behind_gets_an_error_after_what_was_kept() -> None:
    feed = Feed(recorded, no_orders)
    event = an_event("a", 1)
    for _ in range(WAITING_MAX + 1):
        feed.add(event)

    async def story() -> None:
        async for _ in feed.events():
            pass

    with pytest.raises(OrderflowError, match="too many"):
        asyncio.run(story())


def lists_of(*lists: Sequence[OrderBody]) -> Callable[[], AsyncGenerator[OrderBody, None]]:
    """Return a lister that yields one list after the other."""
    left = list(lists)

    async def orders() -> AsyncGenerator[OrderBody, None]:
        for order in left.pop(0):
            yield order

    return orders


def test_who_waits_is_told_what_ended_unseen_although_nothing_comes_any_more() -> None:
    async def story() -> list[int]:
        feed = Feed(recorded, lists_of([], [an_order("unseen", accepted_s=1, updated_s=1)]))
        await feed.begin()
        events = aiter(feed.events())
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        feed.lost()
        feed.resumed()
        return [(await waiting).seq, *[(await anext(events)).seq for _ in range(5)]]

    assert asyncio.run(story()) == [1, 2, 3, 4, 5, 6]


def test_record_is_asked_once_after_a_loss_and_of_no_order_that_ended() -> None:
    asked: list[str] = []

    async def read(order_id: str, after_seq: int) -> Sequence[OrderEventFrame]:
        asked.append(order_id)
        return await recorded(order_id, after_seq)

    async def story() -> list[tuple[str, int]]:
        feed = Feed(read, lists_of([], [an_order("ended", accepted_s=1, updated_s=1)]))
        await feed.begin()
        for seq in range(1, 7):
            feed.add(an_event("ended", seq))
        events = aiter(feed.events())
        seen = [await anext(events) for _ in range(6)]
        feed.lost()
        feed.resumed()
        for order_id in ("b", "c"):
            feed.add(an_event(order_id, 1))
            seen.append(await anext(events))
        return [(event.order_id, event.seq) for event in seen]

    assert asyncio.run(story()) == [*[("ended", seq) for seq in range(1, 7)], ("b", 1), ("c", 1)]
    assert asked == []


def test_orders_that_ended_unseen_are_found_with_many_old_ones_before_each() -> None:
    def old(name: str) -> list[OrderBody]:
        return [an_order(f"{name} {number}", accepted_s=0, updated_s=0) for number in range(150)]

    async def story() -> set[str]:
        unseen = [an_order(name, accepted_s=0, updated_s=600) for name in ("one", "two", "far behind")]
        found = [*old("a"), unseen[0], *old("b"), unseen[1], *old("c"), *old("d"), unseen[2]]
        feed = Feed(recorded, lists_of([an_order("before", accepted_s=0, updated_s=500)], found))
        await feed.begin()
        feed.lost()
        feed.resumed()
        return {order_id for order_id, _ in await all_of(feed)}

    assert asyncio.run(story()) == {"one", "two"}


def test_order_that_was_told_to_its_end_long_ago_and_forgotten_is_not_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "_ENDED_KEPT", 1)

    def ended(order_id: str, minute: int) -> list[OrderEventFrame]:
        at = datetime(2026, 11, 28, 0, minute, tzinfo=UTC)
        return [replace(an_event(order_id, seq), at=at) for seq in range(1, 7)]

    async def story() -> list[str]:
        found = [an_order(name, accepted_s=60 * at, updated_s=60 * at) for name, at in (("b", 9), ("a", 1))]
        feed = Feed(recorded, lists_of([], found))
        await feed.begin()
        events = aiter(feed.events())
        for event in [*ended("a", 1), *ended("b", 9)]:
            feed.add(event)
        seen = [await anext(events) for _ in range(12)]
        feed.lost()
        feed.resumed()
        return [event.order_id for event in seen] + [order_id for order_id, _ in await all_of(feed)]

    assert asyncio.run(story()) == ["a"] * 6 + ["b"] * 6


def test_feed_of_an_account_with_many_orders_begins_after_the_newest_of_them() -> None:
    read: list[str] = []

    async def orders() -> AsyncGenerator[OrderBody, None]:
        for number in range(1_000):
            read.append(str(number))
            yield an_order(str(number), accepted_s=0, updated_s=0)

    asyncio.run(Feed(recorded, orders).begin())
    assert len(read) == 200
