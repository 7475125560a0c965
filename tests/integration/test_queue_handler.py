"""The consumer as Lambda calls it: records of a real queue in, the partial batch response out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import botocore.session
import pytest
from moto import mock_aws

from chalicelib import bootstrap
from chalicelib.adapters.market.definition import load_market
from chalicelib.adapters.market.seed import seed
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.sqs import SqsOrderQueue
from chalicelib.domain.statuses import OrderStatus
from chalicelib.handlers.queue import execute_orders
from chalicelib.services.ports import QueueMessage
from chalicelib.wire.queue_messages import ResumeMessage
from infra.local.event_source.records import batch_event
from tests.fakes.moto_sqs import Moto
from tests.fakes.orders import terms

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class Consumer:
    """The handler, wired by the environment alone, and the queue it reads."""

    client: "SQSClient"
    queue_url: str
    services: bootstrap.Services

    def put(self, *bodies: str) -> None:
        self.services.queue.send([QueueMessage(body, "local") for body in bodies])

    def run(self) -> tuple[list[str], list[str]]:
        """Receive a batch and hand it over; return the message ids received, and those reported back."""
        received = self.client.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"]
        )["Messages"]
        event = batch_event(cast("Any", received), "arn:aws:sqs:us-east-1:000000000000:orders")
        response = execute_orders(event, None)
        unfinished = [str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]
        return [message["MessageId"] for message in received], unfinished

    def status(self, order_id: UUID) -> OrderStatus | None:
        view = self.services.queries.find("local", order_id)
        return view.state.status if view else None


@pytest.fixture(scope="module")
def market_url(make_database: Callable[[], str]) -> str:
    """A database with an open market; every test has orders of its own in it."""
    url = make_database()
    engine = make_engine(url)
    seed(engine, load_market())
    engine.dispose()
    return url


@pytest.fixture
def consumer(market_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consumer]:
    with mock_aws():
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        client = cast(
            "SQSClient", botocore.session.get_session().create_client("sqs", region_name="us-east-1")
        )
        queue_url = client.create_queue(QueueName="orders")["QueueUrl"]
        environment = {
            "DATABASE_URL": market_url,
            "ORDERS_QUEUE_URL": queue_url,
            "CONNECTIONS_URL": "http://127.0.0.1:9/ws",
            "AUTH_MODE": "none",
            "LOCAL_GATEWAY_HOST": "127.0.0.1",
            "WALLET_SEED": "for tests",
            "MARKET_FAUCET": "1",
            "QUOTE_LATENCY_MS": "0",
            "SETTLEMENT_LATENCY_MS": "0",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        bootstrap.services.cache_clear()
        services = bootstrap.services()
        services.queue = SqsOrderQueue(Moto(), queue_url)
        yield Consumer(client, queue_url, services)
        services.outside.executor.shutdown()
        services.engine.dispose()
        bootstrap.services.cache_clear()


def test_accepted_orders_are_confirmed_and_none_is_reported(consumer: Consumer) -> None:
    accept = consumer.services.accepting.accept
    order_ids = [accept(terms(amount_units=10**8 * n), "local").order_id for n in range(1, 6)]
    received, unfinished = consumer.run()
    assert len(received) == 5
    assert unfinished == []
    assert {consumer.status(order_id) for order_id in order_ids} == {OrderStatus.CONFIRMED}


def test_body_that_is_not_ours_is_reported_alone(consumer: Consumer) -> None:
    order = consumer.services.accepting.accept(terms(), "local")
    consumer.put("not ours", '{"kind":"unheard of"}')
    received, unfinished = consumer.run()
    assert len(received) == 3
    assert len(unfinished) == 2
    assert set(unfinished) < set(received)
    assert consumer.status(order.order_id) is OrderStatus.CONFIRMED


def test_batch_of_nothing_but_strangers_is_reported_whole_and_raises_nothing(consumer: Consumer) -> None:
    consumer.put("a", "b")
    received, unfinished = consumer.run()
    assert sorted(received) == sorted(unfinished)


def test_same_order_twice_in_a_batch_is_executed_once(consumer: Consumer) -> None:
    wish = terms(client_order_id="twice")
    first, second = (consumer.services.accepting.accept(wish, "local") for _ in range(2))
    assert first.order_id == second.order_id
    _, unfinished = consumer.run()
    assert unfinished == []
    events = consumer.services.queries.events_after(first.order_id, 0, limit=100)
    assert [event.status for event in events].count(OrderStatus.CONFIRMED) == 1
    assert len(events) == 6


def test_order_delivered_again_after_its_end_stays_as_it_was(consumer: Consumer) -> None:
    order = consumer.services.accepting.accept(terms(client_order_id="again"), "local")
    consumer.run()
    consumer.put(ResumeMessage(order_id=order.order_id).model_dump_json())
    _, unfinished = consumer.run()
    assert unfinished == []
    assert len(consumer.services.queries.events_after(order.order_id, 0, limit=100)) == 6


def test_order_that_nobody_knows_is_no_work(consumer: Consumer) -> None:
    consumer.put(ResumeMessage(order_id=uuid4()).model_dump_json())
    _, unfinished = consumer.run()
    assert unfinished == []
