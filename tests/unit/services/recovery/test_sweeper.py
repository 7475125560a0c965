"""The sweep: what is wrong with one order, connection or part of it keeps it from no other."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from chalicelib.services.recovery.sweeper import StrandedOrder, SubscriptionBehind, Sweep
from chalicelib.wire.queue_messages import ResumeMessage, SubscribeMessage
from tests.contract.records import in_memory
from tests.fakes.ports import FakeConnections, FakeQueue

NIL = UUID(int=0)  # no message may name it


class Left:
    """``Housekeeping`` that finds what it was given; a part that is missing fails as none is allowed to."""

    def __init__(
        self,
        stranded: Sequence[StrandedOrder] | None = (),
        lagging: Sequence[SubscriptionBehind] = (),
        expired: Sequence[str] = (),
    ) -> None:
        self._stranded, self._lagging, self._expired = stranded, lagging, expired
        self.has_forgotten = False

    def stranded_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        if self._stranded is None:
            raise KeyError("planted")
        return self._stranded[:limit]

    def subscriptions_behind(self, *, limit: int) -> Sequence[SubscriptionBehind]:
        return self._lagging[:limit]

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        return self._expired[:limit]

    def forget_finished(self) -> int:
        self.has_forgotten = True
        return 0


def swept(left: Left, connections: FakeConnections | None = None) -> FakeQueue:
    queue = FakeQueue()
    Sweep(left, queue, connections or FakeConnections(), in_memory().subscriptions).run()
    return queue


def test_stranded_orders_are_resumed_and_lagging_connections_caught_up() -> None:
    order_id = uuid4()
    queue = swept(Left([StrandedOrder(order_id, "a")], [SubscriptionBehind("c=", "a", order_id, 3)]))
    resume, subscription = queue.messages
    assert resume == ResumeMessage(order_id=order_id)
    assert subscription == SubscribeMessage(
        connection_id="c=", account_id="a", order_id=order_id, after_seq=3
    )


def test_row_that_no_message_can_be_made_of_keeps_the_others_of_nothing() -> None:
    sound = uuid4()
    lagging = [SubscriptionBehind("c\x00=", "a", sound, 3), SubscriptionBehind("c=", "a", sound, 3)]
    queue = swept(Left([StrandedOrder(NIL, "a"), StrandedOrder(sound, "a")], lagging))
    assert [message.order_id for message in queue.messages if message.kind != "order"] == [sound, sound]


def test_part_that_fails_keeps_the_sweep_from_none_of_the_others() -> None:
    left = Left(None, [SubscriptionBehind("c=", "a", uuid4(), 0)], ["old="])
    connections = FakeConnections()
    assert len(swept(left, connections).messages) == 1
    assert connections.gone == {"old="}
    assert left.has_forgotten
