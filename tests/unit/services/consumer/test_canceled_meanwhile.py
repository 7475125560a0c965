"""A message that finds its order canceled a moment ago: who cancels tells that, and tells it once."""

from collections.abc import Iterable, Mapping

import pytest

from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.services.consumer.batch import Incoming, MessageOutcome
from chalicelib.services.delivery.republish import PUBLISHED_WITHIN_S
from chalicelib.services.intake.cancel import CancelOrders
from chalicelib.services.ports import Delivery, Frame
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.inline import Unobserved
from tests.fakes.orders import an_order, changed
from tests.fakes.ports import FakeConnections

FIRED, REMINDED = 1, None
"""Which firing of its watch a message names, if any."""


class Waking(FakeConnections):
    """Connections during whose next post a message for an order reaches a consumer; ``dies``: and no frame
    leaves, since the process that posts has died.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wake = list[Incoming]()
        self.outcomes = list[MessageOutcome]()
        self.dies = False
        self.consumer: ConsumerOnFakes | None = None

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        wake, self.wake = self.wake, []
        for each in wake:
            assert self.consumer is not None
            self.outcomes.append(self.consumer.execute_orders.execute([each])[each.order_id])
            if self.dies:
                raise KeyboardInterrupt
        return super().post(frames)


class Desk:
    """A limit order at rest, submitted by ``c=``, and what cancels it."""

    def __init__(self) -> None:
        self.consumer = ConsumerOnFakes()
        connections = self.consumer.connections
        connections.__class__ = Waking
        assert isinstance(connections, Waking)
        Waking.__init__(connections)
        self.connections, connections.consumer = connections, self.consumer
        limit = Limit("210", Rate.of(210, 1_000))
        self.order: Order = changed(
            an_order(),
            order_type=OrderType.LIMIT,
            slippage_bps=None,
            limit=limit,
            time_in_force=TimeInForce.GTD,
        )
        self.consumer.execute(self.order)
        assert self.consumer.statuses(self.order) == (OrderStatus.PENDING, OrderStatus.OPEN)
        self.cancel_orders = CancelOrders(
            self.consumer.record,
            self.consumer.queries,
            self.consumer.publisher,
            Unobserved(),
            self.consumer.queue,
            self.consumer.clock,
            lookup_wait_ms=0,
        )

    def cancel_while_a_message_comes(self, firing: int | None) -> MessageOutcome:
        """Cancel the order; return what becomes of a message that comes before that was told."""
        self.connections.wake = [Incoming(self.order.order_id, firing=firing)]
        self.cancel_orders.cancel(self.order.account_id, self.order.order_id)
        (outcome,) = self.connections.outcomes
        return outcome

    def told(self) -> list[str]:
        return [frame["status"] for frame in self.consumer.frames(self.order)]


@pytest.mark.parametrize("firing", [FIRED, REMINDED], ids=["fired", "reminded"])
def test_cancel_is_told_once_beside_a_message_that_wakes_its_order(firing: int | None) -> None:
    desk = Desk()
    outcome = desk.cancel_while_a_message_comes(firing)
    assert outcome == MessageOutcome(PUBLISHED_WITHIN_S, desk.order)
    desk.consumer.clock.sleep(PUBLISHED_WITHIN_S)
    again = desk.consumer.execute_orders.execute([Incoming(desk.order.order_id, delivery=2, firing=firing)])
    assert again[desk.order.order_id] == MessageOutcome(order=desk.order)
    assert desk.told() == ["pending", "open", "canceled"]


def test_cancel_whose_process_died_is_told_by_the_message_when_it_comes_back() -> None:
    desk = Desk()
    desk.connections.dies = True
    with pytest.raises(KeyboardInterrupt):
        desk.cancel_while_a_message_comes(FIRED)
    assert desk.told() == ["pending", "open"]
    desk.consumer.clock.sleep(PUBLISHED_WITHIN_S)
    again = desk.consumer.execute_orders.execute([Incoming(desk.order.order_id, delivery=2, firing=1)])
    assert again[desk.order.order_id] == MessageOutcome(order=desk.order)
    assert desk.told() == ["pending", "open", "canceled"]
