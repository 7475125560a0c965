"""Feeds that share a subscription: told alike, and subscribed again for as long as it takes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence

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
        async for _ in feed.events():
            pass

    with pytest.raises(UnauthorizedError):
        asyncio.run(story())


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
