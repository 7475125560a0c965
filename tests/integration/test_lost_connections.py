"""The database's connections are all lost at one exchange of an order's way, each in its turn: before the
server has seen what it says, or once it is done. The order ends once all the same, and its client has all of
it.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy.engine import make_url

from chalice_offline.event_source.records import batch_event
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.bootstrap.audit import audit
from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import Code, ConflictError, RetryableError, UnknownOutcomeError
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.domain.terms import OrderTerms
from chalicelib.handlers.queue import execute_orders
from chalicelib.services.consumer import claiming
from chalicelib.services.ports import QueueMessage
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.queue_messages import render_message
from chalicelib.wire.resting_fields import meant_fields
from tests.fakes.orders import terms
from tests.fakes.ports import FakeConnections, FakeQueue
from tests.integration.consumer import Consumer
from tests.support.cutting_proxy import CuttingProxy, Moment

LEASE_MS: Final = 200
EXCHANGES_MAX: Final = 40
FAR_AWAY: Final = {
    "type": "limit",
    "side": "sell",
    "baseAsset": "SOL",
    "quoteAsset": "USDC",
    "amount": "1",
    "limitPrice": "900",
}


@pytest.fixture(scope="module")
def direct_url(make_database: Callable[[], str]) -> str:
    url = make_database()
    engine = make_engine(url)
    seed(engine, load_market())
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def proxy(direct_url: str) -> Iterator[CuttingProxy]:
    address = make_url(direct_url)
    made = CuttingProxy(str(address.host), int(address.port or 5432))
    yield made
    made.close()


@pytest.fixture(scope="module")
def market_url(direct_url: str, proxy: CuttingProxy) -> str:
    return make_url(direct_url).set(port=proxy.port).render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def _short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_MS", str(LEASE_MS))
    monkeypatch.setattr(claiming, "PUBLISHED_WITHIN_S", 0)


@dataclass
class Desk:
    """A consumer whose queue delivers at once, and the connections that it posts to."""

    consumer: Consumer
    proxy: CuttingProxy
    queue: FakeQueue
    connections: FakeConnections

    def submit(self, wish: OrderTerms, connection_id: str) -> UUID:
        """Submit an order until the client knows that it is accepted."""
        while True:
            try:
                order = self.consumer.services.submit_orders.submit(
                    wish, "local", connection_id=connection_id
                )
            except RetryableError:
                continue
            return order.order_id

    def deliver(self) -> None:
        """Deliver what is in the queue, and what comes into it, until nothing is left."""
        waiting: list[tuple[str, int]] = []
        while waiting := [*waiting, *((message.body, 0) for message in self.queue.sent)]:
            self.queue.sent.clear()
            batch = [(body, count + 1) for body, count in waiting[:10]]
            left = unfinished(batch)
            waiting = [*waiting[10:], *(batch[place] for place in left)]
            if left:
                time.sleep(LEASE_MS / 1000)

    def events(self, order_id: UUID) -> Sequence[OrderEvent]:
        return self.consumer.services.queries.events_after(order_id, 0, limit=100)

    def seen(self, order_id: UUID, connection_id: str) -> list[int]:
        """Return the numbers of the events that a connection was sent, each once."""
        frames = map(json.loads, self.connections.frames.get(connection_id, []))
        return sorted({frame["seq"] for frame in frames if frame.get("orderId") == str(order_id)})


def unfinished(batch: Sequence[tuple[str, int]]) -> list[int]:
    """Have a batch consumed; return the places of the messages that come again."""
    messages = [
        {
            "MessageId": str(place),
            "ReceiptHandle": str(place),
            "Body": body,
            "MD5OfBody": "",
            "Attributes": {"ApproximateReceiveCount": str(count), "SentTimestamp": "0"},
        }
        for place, (body, count) in enumerate(batch)
    ]
    answer = execute_orders(batch_event(messages, "arn:aws:sqs:us-east-1:000000000000:orders"))
    return [int(each["itemIdentifier"]) for each in answer["batchItemFailures"]]


@pytest.fixture
def desk(consumer: Consumer, proxy: CuttingProxy) -> Desk:
    made = Desk(consumer, proxy, FakeQueue(), FakeConnections())
    vars(consumer.services).update(queue=made.queue, connections=made.connections)
    return made


def each_exchange(desk: Desk, moment: Moment, act: Callable[[str], Any]) -> Iterator[Any]:
    """Act under another name for each exchange at which the connections are lost, until there are no more."""
    number = 0
    while desk.proxy.exchanges >= number:
        number += 1
        desk.proxy.cut(number, moment)
        yield act(f"{moment}-{number}")
    desk.proxy.cut(0, moment)
    assert number > 1


def assert_sound(desk: Desk, url: str, ended: Iterable[tuple[UUID, str]], end: OrderStatus) -> None:
    """Each order has that one end, its client has seen every event of it, and the audit finds nothing."""
    for order_id, name in ended:
        events = desk.events(order_id)
        assert [event.status for event in events if event.status in FINAL] == [end], name
        assert desk.seen(order_id, name) == [event.seq for event in events], name
    engine = make_engine(url).execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        assert [each for found in audit(connection, must_be_finished=True) for each in found] == []
    engine.dispose()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_order_is_executed_once_and_its_client_has_all_of_it(
    desk: Desk, direct_url: str, moment: Moment
) -> None:
    def trade(name: str) -> tuple[UUID, str]:
        order_id = desk.submit(terms(client_order_id=name), name)
        desk.deliver()
        return order_id, name

    assert_sound(desk, direct_url, list(each_exchange(desk, moment, trade)), OrderStatus.CONFIRMED)


def test_resting_order_is_amended_or_not_and_canceled_once_and_its_client_has_all_of_it(
    desk: Desk, direct_url: str
) -> None:
    """A request of which it is not known what became of it is made again."""
    moment: Moment = "after"
    use, wish = desk.consumer.services, meant_fields(OrderFields, FAR_AWAY)

    names = [f"{moment}-{number}" for number in range(EXCHANGES_MAX)]
    resting = [(desk.submit(wish.terms(use.tokens), name), name) for name in names]
    desk.deliver()
    changed: list[tuple[UUID, str]] = []

    def change(_: str) -> None:
        order_id, connection_id = resting[len(changed)]
        changed.append((order_id, connection_id))
        until_done(lambda: use.amend_orders.amend("local", order_id, Amendment(limit_price="901")))
        until_done(lambda: use.cancel_orders.cancel("local", order_id))
        # The sweep does this a while after a change that is not known to have been published.
        desk.queue.send([QueueMessage(render_message(ResumeMessage(order_id=order_id)), "local")])
        desk.deliver()

    assert len(list(each_exchange(desk, moment, change))) < EXCHANGES_MAX
    for order_id, _ in resting[len(changed) :]:
        use.cancel_orders.cancel("local", order_id)
    assert_sound(desk, direct_url, changed, OrderStatus.CANCELED)


def until_done(ask: Callable[[], object]) -> None:
    """Ask until it is done, or turns out to have been."""
    is_done = False
    while not is_done:
        try:
            ask()
        except (UnknownOutcomeError, RetryableError):
            continue
        except ConflictError as refusal:
            is_done = refusal.code is Code.ORDER_ALREADY_FINAL
        else:
            is_done = True
