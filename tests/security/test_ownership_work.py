"""Another's order takes the same work as one that does not exist: the same
statements, waits and frames, in the same order.

So there is nothing that a clock could tell apart, and no clock is needed to show it.
``benchmarks.ownership_timing`` looks at the clock.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.queue_messages import SubscribeMessage
from chalicelib.services.consumer.messages import Received
from chalicelib.services.delivery.replay import Subscriber
from tests.fakes.ports import FakeConnections, FakeQueue, FrozenClock

PEER = "c="


class AtOnce(Executor):
    """Runs what it is given before it returns."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class NotedClock(FrozenClock):
    def __init__(self, work: list[str]) -> None:
        super().__init__()
        self._work = work

    def sleep(self, seconds: float) -> None:
        self._work.append(f"wait {seconds}")
        super().sleep(seconds)


class Workshop:
    """The application's own services on a real database, writing down all that they do."""

    def __init__(self, database_url: str) -> None:
        self.work: list[str] = []
        self.services = Services(
            Settings(database_url=database_url, order_lookup_wait_ms=150, wallet_seed="any")
        )
        self.services.clock = NotedClock(self.work)
        self.connections, self.queue = FakeConnections(), FakeQueue()
        replaced = {"connections": self.connections, "queue": self.queue, "executor": AtOnce()}
        vars(self.services).update(replaced)
        self.engine: Engine = self.services.engine
        event.listen(self.engine, "before_cursor_execute", self._note)

    def done_for(self, attempt: Callable[["Workshop", UUID], None], order_id: UUID) -> list[str]:
        """Return what an attempt makes the application do, the order's id and reply aside."""
        self.work.clear()
        attempt(self, order_id)
        frames = self.connections.frames.pop(PEER, [])
        return [*self.work, *(frame.replace(str(order_id), "ID") for frame in frames)]

    def _note(self, *arguments: Any) -> None:
        self.work.append(str(arguments[2]))


@pytest.fixture
def workshop(database_url: str) -> Iterator[Workshop]:
    shop = Workshop(database_url)
    yield shop
    shop.engine.dispose()


@pytest.fixture
def alices_order(database_url: str) -> UUID:
    order_id, engine = uuid4(), make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(_ORDER, {"id": str(order_id), "account": "alice"})
        connection.execute(_EVENT, {"id": str(order_id)})
    engine.dispose()
    return order_id


def refused(work: Callable[[], object]) -> None:
    with pytest.raises(NotFoundError):
        work()


def read(shop: Workshop, order_id: UUID) -> None:
    refused(lambda: shop.services.read_orders.order("mallory", order_id))


def read_events(shop: Workshop, order_id: UUID) -> None:
    refused(lambda: shop.services.read_orders.events("mallory", order_id, after_seq=0))


def cancel(shop: Workshop, order_id: UUID) -> None:
    refused(lambda: shop.services.cancel_orders.cancel("mallory", order_id))


def cancel_by_frame(shop: Workshop, order_id: UUID) -> None:
    refused(lambda: shop.services.cancel_orders.cancel("mallory", order_id, connection_id=PEER))


def subscribe(shop: Workshop, order_id: UUID) -> None:
    shop.services.access.connections.check_subscriptions(PEER)
    subscriber = Subscriber(PEER, "mallory")
    refused(lambda: shop.services.replay_orders.subscribe(subscriber, order_id, after_seq=0, request_id=None))


def unsubscribe(shop: Workshop, order_id: UUID) -> None:
    shop.services.replay_orders.unsubscribe(Subscriber(PEER, "mallory"), order_id, request_id=None)


def connect_with_it(shop: Workshop, order_id: UUID) -> None:
    message = SubscribeMessage(
        connection_id=PEER, account_id="mallory", order_id=order_id, after_seq=0, is_new=True
    )
    assert shop.services.consume_messages.consume([Received(message, "handle", 1)]) == [True]


ATTEMPTS = (read, read_events, cancel, cancel_by_frame, subscribe, unsubscribe, connect_with_it)


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_anothers_order_takes_the_work_of_an_unknown_one(
    workshop: Workshop, alices_order: UUID, attempt: Callable[[Workshop, UUID], None]
) -> None:
    # The first use of a service connects and prepares.
    workshop.done_for(attempt, uuid4())
    # A wait budget that is used up would be the same for both, but should not be what makes them alike.
    workshop.services.clock.sleep(600)
    about_none = workshop.done_for(attempt, uuid4())
    workshop.services.clock.sleep(600)
    about_alices = workshop.done_for(attempt, alices_order)
    assert about_alices == about_none
    assert about_none


def test_work_is_noted_down_to_the_last_wait(workshop: Workshop) -> None:
    work = workshop.done_for(read, uuid4())
    assert [each for each in work if each.startswith("wait")] == ["wait 0.05"] * 3
    assert len([each for each in work if "FROM orders" in each]) == 4


def test_own_order_takes_other_work_than_an_unknown_one(workshop: Workshop, alices_order: UUID) -> None:
    def read_own(shop: Workshop, order_id: UUID) -> None:
        shop.services.read_orders.events("alice", order_id, after_seq=0)

    assert workshop.done_for(read_own, alices_order) != workshop.done_for(read, uuid4())


_ORDER = text("""
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, slippage_bps, content_sha256, accepted_at, valid_until, status, seq, attempt, fence,
    lease_until)
VALUES (CAST(:id AS uuid), :account, 'market', 'exact_in', 'SOL', 'USDC', 1, 'SOL', 50, 'x', now(), now(),
    'pending', 1, 1, 1, now())
""")
_EVENT = text("""
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
VALUES (CAST(:id AS uuid), 1, 'pending', 1, now(), '{}')
""")
