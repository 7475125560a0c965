"""Feeds that share a subscription: told alike, and subscribed again for as long as it takes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orderflow_client.errors import (
    DisconnectedError,
    OrderflowError,
    UnauthorizedError,
    UnavailableError,
    UnknownOutcomeError,
)
from orderflow_client.feed import Feed
from orderflow_client.feeds import Feeds
from orderflow_client.models import OrderBody, OrderEventFrame
from tests.unit.orderflow_client.test_feed import all_of, an_event, an_order, recorded


async def no_events(_order_id: str, _after_seq: int) -> Sequence[OrderEventFrame]:
    return ()


async def no_orders() -> AsyncGenerator[OrderBody, None]:
    none: Sequence[OrderBody] = ()
    for order in none:
        yield order


class Subscription:
    """Answers each request in turn; then every one is granted."""

    def __init__(self) -> None:
        self.answers: deque[OrderflowError] = deque()
        self.asked = 0

    async def __call__(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.answers:
            raise self.answers.popleft()


def test_subscription_that_is_refused_for_now_is_asked_for_until_it_is_granted() -> None:
    async def story() -> int:
        subscription = Subscription()
        feeds = Feeds(subscription)
        await feeds.open(Feed(no_events, no_orders))
        subscription.answers.extend(
            [
                DisconnectedError("no"),
                UnknownOutcomeError("?"),
                UnavailableError("SERVICE_UNAVAILABLE", "later"),
            ]
        )
        await feeds.resume()
        return subscription.asked

    assert asyncio.run(story()) == 1 + 4


def test_subscription_that_is_refused_for_good_ends_the_feeds() -> None:
    async def story() -> None:
        subscription = Subscription()
        feeds = Feeds(subscription)
        feed = Feed(no_events, no_orders)
        await feeds.open(feed)
        subscription.answers.append(UnauthorizedError("UNAUTHORIZED", "expired"))
        await feeds.resume()
        assert subscription.asked == 2
        async for _ in feed.events():
            pass

    with pytest.raises(UnauthorizedError):
        asyncio.run(story())


def test_order_that_ended_unseen_is_told_though_a_much_later_event_came_before_the_record_was_read() -> None:
    lists = [[], [an_order("unseen", accepted_s=60, updated_s=60)]]

    async def orders() -> AsyncGenerator[OrderBody, None]:
        for order in lists.pop(0):
            yield order

    async def story() -> list[str]:
        feeds, feed = Feeds(Subscription()), Feed(recorded, orders)
        await feeds.open(feed)
        feeds.add(replace(an_event("known", 1), at=datetime(2026, 11, 28, tzinfo=UTC)))
        await feeds.resume()
        feeds.add(replace(an_event("live", 1), at=datetime(2026, 11, 29, tzinfo=UTC)))
        return [order_id for order_id, _ in await all_of(feed)]

    assert "unseen" in asyncio.run(story())


def test_nothing_is_asked_for_while_nobody_listens() -> None:
    async def story() -> int:
        subscription = Subscription()
        feeds = Feeds(subscription)
        feed = Feed(no_events, no_orders)
        await feeds.open(feed)
        feeds.close(feed)
        await feeds.resume()
        return subscription.asked

    assert asyncio.run(story()) == 1
