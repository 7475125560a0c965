"""A message that kills each consumer which takes it: it takes none of the others along."""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest

from chalicelib.domain.orders import Order
from chalicelib.domain.transactions import SignatureStatus
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.messages import Received
from tests.fakes.consumer import LEASE_S, ConsumerOnFakes
from tests.fakes.market import ProcessKilledError
from tests.fakes.orders import LIFE, an_order
from tests.support.instance import REPOSITORY
from tests.unit.services.consumer.test_messages import submitted

_TEMPLATE: Final[dict[str, Any]] = json.loads((REPOSITORY / "infra" / "deploy" / "queues.json").read_text())
QUEUE: Final = _TEMPLATE["Resources"]["OrdersQueue"]["Properties"]


@dataclass
class InQueue:
    """A message, as SQS keeps it."""

    order: Order
    visible_at_s: float = 0.0
    receive_count: int = 0


class QuietQueue:
    """A queue in which nothing else waits: what becomes visible together is delivered together."""

    def __init__(
        self,
        consumer: ConsumerOnFakes,
        orders: Iterable[Order],
        *,
        visibility_s: float = QUEUE["VisibilityTimeout"],
    ) -> None:
        self._consumer, self._now_s = consumer, 0.0
        self._visibility_s = visibility_s
        self._waiting = {str(order.order_id): InQueue(order) for order in orders}
        self.dead_letters: list[Order] = []

    def run(self) -> None:
        """Deliver until nothing is left."""
        while self._waiting:
            self._pass_until(min(each.visible_at_s for each in self._waiting.values()))
            batch = [name for name, each in self._waiting.items() if each.visible_at_s <= self._now_s][:10]
            self._deliver([name for name in batch if not self._is_dead(name)])

    def _pass_until(self, at_s: float) -> None:
        self._consumer.clock.put(timedelta(seconds=at_s - self._now_s))
        self._now_s = at_s

    def _is_dead(self, name: str) -> bool:
        each = self._waiting[name]
        each.receive_count += 1
        each.visible_at_s = self._now_s + self._visibility_s
        if each.receive_count <= QUEUE["RedrivePolicy"]["maxReceiveCount"]:
            return False
        self.dead_letters.append(self._waiting.pop(name).order)
        return True

    def _deliver(self, batch: list[str]) -> None:
        if not batch:
            return
        received = [
            Received(submitted(each.order), name, each.receive_count)
            for name, each in self._waiting.items()
            if name in batch
        ]
        done: Iterable[bool] = ()
        with suppress(ProcessKilledError):
            done = self._consumer.consume_messages.consume(received)
        for name, pause_s in self._consumer.queue.retries:
            self._waiting[name].visible_at_s = self._now_s + pause_s
        self._consumer.queue.retries.clear()
        for each, is_done in zip(received, done, strict=False):
            if is_done:
                del self._waiting[each.receipt_handle]


@pytest.fixture
def consumer() -> ConsumerOnFakes:
    return ConsumerOnFakes()


@pytest.mark.parametrize("step", ["sign", "send"])
@pytest.mark.parametrize("place", [0, 4, 9])
def test_orders_in_one_batch_with_a_deadly_one_are_confirmed_before_their_end(
    consumer: ConsumerOnFakes, step: str, place: int
) -> None:
    orders = [an_order() for _ in range(10)]
    poison = orders[place]
    queue = QuietQueue(consumer, orders)
    consumer.chain.deadly[step] = poison.order_id
    queue.run()
    assert {consumer.statuses(order) for order in orders if order is not poison} == {LIFE}
    assert consumer.statuses(poison) != LIFE
    assert set(queue.dead_letters) <= {poison}


@pytest.mark.parametrize("step", ["sign", "send"])
def test_delivery_that_finds_the_lease_of_a_dead_consumer_still_running_costs_no_order_its_chance(
    consumer: ConsumerOnFakes, step: str
) -> None:
    """As where SQS delivers a message twice."""
    orders = [an_order() for _ in range(10)]
    queue = QuietQueue(consumer, orders, visibility_s=LEASE_S / 3)
    consumer.chain.deadly[step] = orders[4].order_id
    queue.run()
    assert [consumer.statuses(order) for order in orders if order is not orders[4]] == 9 * [LIFE]


@pytest.mark.parametrize("delivery", [2, 3, 20])
def test_deadly_order_that_comes_again_takes_no_new_one_with_it(
    consumer: ConsumerOnFakes, delivery: int
) -> None:
    deadly, new = an_order(), an_order()
    consumer.chain.deadly["send"] = deadly.order_id
    with suppress(ProcessKilledError):
        consumer.execute(deadly)
    consumer.clock.put(timedelta(seconds=LEASE_S + 1))
    again = Incoming(deadly.order_id, deadly, "c=", delivery=delivery)
    consumer.execute_orders.execute([again, Incoming(new.order_id, new, "c=")])
    assert consumer.statuses(new) == LIFE


def test_orders_that_a_consumer_released_go_on_together(consumer: ConsumerOnFakes) -> None:
    orders = [an_order() for _ in range(3)]
    consumer.chain.status = SignatureStatus.UNKNOWN
    consumer.execute(*orders)
    consumer.chain.status = SignatureStatus.LANDED
    consumer.execute(*orders, delivery=2)
    assert {consumer.statuses(order) for order in orders} == {LIFE}


def test_orders_that_an_outage_kept_off_the_record_go_on_together_after_their_second_delivery(
    consumer: ConsumerOnFakes,
) -> None:
    orders = [an_order() for _ in range(3)]
    consumer.execute(*orders, delivery=3)
    assert {consumer.statuses(order) for order in orders} == {LIFE}
