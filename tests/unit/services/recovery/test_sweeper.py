"""The sweep: what is wrong with one order, connection or part of it keeps it from no other."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.queue_messages import OrderMessage, ResumeMessage, SubscribeMessage
from chalicelib.services.ports import QueueMessage
from chalicelib.services.recovery.sweeper import (
    PAIRS_MAX,
    SWEPT_MAX,
    Forgotten,
    StrandedOrder,
    SubscriptionBehind,
    Sweep,
    SweepPart,
)
from chalicelib.services.recovery.turns import Rest
from tests.contract.records import in_memory
from tests.fakes.orders import an_order
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
        self.unpublished: Sequence[StrandedOrder] = ()
        self.unsent: list[SubscriptionBehind] = []
        self.has_forgotten = False
        self.idle_pairs = self.doubted = 0
        self.resumed: set[UUID] = set()
        self.statements = 0

    def stranded_orders(self, rest: Rest, *, limit: int) -> SweepPart[StrandedOrder]:
        if self._stranded is None:
            raise KeyError("planted")
        self.statements += 1
        looked_at = int(rest.seen_to or 0)
        part = self._stranded[looked_at : looked_at + limit]
        found = [order for order in part if order.order_id not in self.resumed]
        return SweepPart(found, Rest(str(looked_at + limit)) if len(part) == limit else None)

    def unpublished_orders(self, *, limit: int) -> Sequence[StrandedOrder]:
        self.statements += 1
        return [order for order in self.unpublished if order.order_id not in self.resumed][:limit]

    def note_resumed(self, order_ids: Sequence[UUID]) -> None:
        self.statements += 1
        self.resumed |= set(order_ids)

    def subscriptions_behind(self, rest: Rest, *, limit: int) -> SweepPart[SubscriptionBehind]:
        assert rest == Rest()
        return SweepPart(self._lagging[:limit])

    def note_unsent(self, behind: Sequence[SubscriptionBehind]) -> None:
        self.unsent += behind

    def expired_connections(self, *, limit: int) -> Sequence[str]:
        return self._expired[:limit]

    def forget_finished(self, *, limit: int) -> Forgotten:
        self.has_forgotten = limit > 0
        return Forgotten(0, is_more=False)

    def forget_pairs(self, *, limit: int) -> Forgotten:
        gone, self.idle_pairs = min(limit, self.idle_pairs), max(0, self.idle_pairs - limit)
        return Forgotten(gone, is_more=gone == limit)

    def wake_doubted(self, *, limit: int) -> int:
        woken, self.doubted = min(limit, self.doubted), max(0, self.doubted - limit)
        return woken


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
    assert [message.order_id for message in queue.messages if not isinstance(message, OrderMessage)] == [
        sound,
        sound,
    ]


def test_connection_that_is_closed_at_its_end_is_forgotten_with_all_that_it_followed() -> None:
    store, order = in_memory(), an_order()
    store.created(order, connection_id="old=")
    Sweep(Left(expired=["old="]), FakeQueue(), FakeConnections(), store.subscriptions).run()
    assert store.subscriptions.of_orders([order]) == []


def test_part_that_fails_keeps_the_sweep_from_none_of_the_others() -> None:
    left = Left(None, [SubscriptionBehind("c=", "a", uuid4(), 0)], ["old="])
    connections = FakeConnections()
    assert len(swept(left, connections).messages) == 1
    assert connections.gone == {"old="}
    assert left.has_forgotten


def test_gateway_that_answers_no_request_to_close_keeps_orders_waiting_for_seconds_and_not_for_runs() -> None:
    stranded, expired = many(3 * SWEPT_MAX + 1), [f"{place}=" for place in range(100)]
    left, queue, now_s = Left(stranded, expired=expired), FakeQueue(), [0.0]

    class SilentGateway(FakeConnections):
        def close(self, connection_id: str) -> None:
            now_s[0] += 1.0
            expired.remove(connection_id)

    Sweep(left, queue, SilentGateway(), in_memory().subscriptions).run(lambda s: now_s[0] + s <= 50.0)
    assert len(queue.messages) == len(stranded)
    assert left.has_forgotten
    assert 0 < len(expired) < 100


def test_connections_whose_messages_the_queue_did_not_take_wait_for_the_next_run_alone() -> None:
    lagging = [SubscriptionBehind("c=", "a", uuid4(), 3), SubscriptionBehind("d=", "b", uuid4(), 0)]
    left, queue = Left([], lagging), FakeQueue()
    queue.is_down = True
    with pytest.raises(RetryableError):
        Sweep(left, queue, FakeConnections(), in_memory().subscriptions).run()
    assert left.unsent == lagging


def test_connection_whose_message_was_sent_before_the_queue_failed_is_not_found_again_at_once() -> None:
    lagging = [SubscriptionBehind(f"{name}=", "a", uuid4(), 0) for name in "abc"]

    class FailingQueue(FakeQueue):
        def send(self, messages: Sequence[QueueMessage]) -> None:
            if len(messages) > 1:
                raise KeyError("planted")
            self.is_down = len(self.sent) == 1
            super().send(messages)

    left, queue = Left([], lagging), FailingQueue()
    with pytest.raises(RetryableError):
        Sweep(left, queue, FakeConnections(), in_memory().subscriptions).run()
    assert len(queue.sent) == 1
    assert left.unsent == lagging[1:]


def many(number: int) -> list[StrandedOrder]:
    return [StrandedOrder(uuid4(), f"account {place % 7}") for place in range(number)]


def test_all_that_a_lost_queue_left_is_resumed_in_one_run_each_once() -> None:
    stranded = many(20_000)
    left = Left(stranded)
    queue = swept(left)
    assert [message.order_id for message in queue.messages if isinstance(message, ResumeMessage)] == [
        order.order_id for order in stranded
    ]
    # A thousand at a time: found, and noted; and two looks that find nothing.
    assert left.statements <= 2 * 20 + 2


def test_what_is_behind_many_that_were_resumed_already_is_resumed() -> None:
    stranded = many(2 * SWEPT_MAX + 1)
    left = Left(stranded)
    left.resumed = {order.order_id for order in stranded[:-1]}
    (message,) = swept(left).messages
    assert message == ResumeMessage(order_id=stranded[-1].order_id)


def test_orders_whose_events_may_not_be_published_are_resumed_but_not_one_that_no_message_can_name() -> None:
    left = Left()
    left.unpublished = [*many(SWEPT_MAX + 5), *[StrandedOrder(NIL, "a")] * SWEPT_MAX]
    assert len(swept(left).messages) == SWEPT_MAX + 5


def test_run_whose_time_is_up_leaves_the_rest_to_the_next() -> None:
    left, queue = Left(many(3_500)), FakeQueue()
    sweep = Sweep(left, queue, FakeConnections(), in_memory().subscriptions)
    sweep.run(lambda _: False)
    assert 0 < len(queue.messages) < 3_500
    sweep.run()
    assert (
        len({message.order_id for message in queue.messages if isinstance(message, ResumeMessage)}) == 3_500
    )
    assert len(queue.messages) == 3_500


def test_no_turn_of_any_kind_begins_once_there_is_less_time_left_than_it_may_take() -> None:
    now_s, begun = 0.0, []

    class SlowRecord(Left):
        def stranded_orders(self, rest: Rest, *, limit: int) -> SweepPart[StrandedOrder]:
            self._take(4)
            return super().stranded_orders(rest, limit=limit)

        def forget_pairs(self, *, limit: int) -> Forgotten:
            self._take(4)
            return super().forget_pairs(limit=limit)

        def _take(self, seconds: int) -> None:
            nonlocal now_s
            begun.append(now_s)
            now_s += seconds

    stranded = many(20 * SWEPT_MAX)
    left = SlowRecord(stranded)
    left.resumed, left.idle_pairs = {order.order_id for order in stranded}, 20 * PAIRS_MAX
    sweep = Sweep(left, FakeQueue(), FakeConnections(), in_memory().subscriptions)
    sweep.run(lambda seconds: now_s + seconds <= 31)
    assert begun == [0, 4, 8, 12, 16, 20, 24]


def test_orders_whose_messages_were_not_sent_are_found_again() -> None:
    left, queue = Left(many(3)), FakeQueue()
    sweep = Sweep(left, queue, FakeConnections(), in_memory().subscriptions)
    queue.is_down = True
    with pytest.raises(RetryableError):
        sweep.run()
    queue.is_down = False
    sweep.run()
    assert len(queue.messages) == 3


def test_pairs_that_nothing_waits_for_are_forgotten_in_parts_until_none_is_left() -> None:
    left = Left()
    left.idle_pairs = 2 * PAIRS_MAX + 1
    swept(left)
    assert left.idle_pairs == 0


def test_what_may_have_executed_and_rests_is_woken_a_thousand_in_a_run_beside_what_is_new() -> None:
    left = Left()
    left.doubted = SWEPT_MAX + 1
    swept(left)
    assert left.doubted == 1
    swept(left)
    assert left.doubted == 0
