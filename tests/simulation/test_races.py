"""Two connections at the very same time: one winner each."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.domain.events import Recorded
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder, NewOrder, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.consumer.transitions import first_transition
from tests.fakes.orders import VIEWS
from tests.simulation.builders import MOMENT, an_attempt, an_order

ROUNDS = 25
LONG_MS = 3_600_000

Pair = tuple[PostgresOrderRecord, PostgresOrderRecord]


@pytest.fixture
def records(database_url: str) -> Iterator[Pair]:
    engines = [make_engine(database_url, pool_size=1) for _ in range(2)]
    yield (PostgresOrderRecord(engines[0], VIEWS), PostgresOrderRecord(engines[1], VIEWS))
    for engine in engines:
        engine.dispose()


def at_once(*works: Callable[[], Any]) -> Sequence[Any]:
    """Do each in a thread of its own, all started together."""
    barrier = Barrier(len(works))

    def release(work: Callable[[], Any]) -> Any:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(release, works))


def test_order_created_twice_at_once_is_created_once(records: Pair) -> None:
    for number in range(ROUNDS):
        new = new_order(an_order(f"order {number}"))
        created = at_once(*(partial(record.create, [new], lease_ms=LONG_MS) for record in records))
        assert sorted(map(len, created)) == [0, 1]


def test_overlapping_batches_in_opposite_order_do_not_deadlock(records: Pair) -> None:
    for number in range(ROUNDS):
        batch = [new_order(an_order(f"order {number}/{each}")) for each in range(4)]
        first, second = at_once(
            partial(records[0].create, batch, lease_ms=LONG_MS),
            partial(records[1].create, batch[::-1], lease_ms=LONG_MS),
        )
        assert len(first) + len(second) == len(batch)
        assert not first & second


def test_order_whose_lease_ended_is_claimed_by_one(records: Pair) -> None:
    for number in range(ROUNDS):
        claimed = created(records[0], an_order(f"order {number}"), lease_ms=0)
        order_id = claimed.state.order.order_id
        claims = at_once(*(partial(record.claim, [order_id], lease_ms=LONG_MS) for record in records))
        assert sorted(len(each.claimed) for each in claims) == [0, 1]
        assert sorted(len(each.busy) for each in claims) == [0, 1]


def test_cancel_and_write_ahead_have_one_winner(records: Pair) -> None:
    for number in range(ROUNDS):
        claimed = created(records[0], an_order(f"order {number}"), lease_ms=LONG_MS)
        transition = write_ahead(claimed)
        order = claimed.state.order
        canceled, sent = at_once(
            partial(records[0].cancel, order.account_id, order.order_id, MOMENT),
            partial(records[1].record, [transition], lease_ms=LONG_MS),
        )
        was_canceled, was_sent = canceled is not None, bool(sent)
        assert was_canceled != was_sent
        state = records[0].state(order.account_id, order.order_id)
        assert state is not None
        assert state.status is (OrderStatus.CANCELED if was_canceled else OrderStatus.SUBMITTED)


def test_client_order_id_reserved_at_once_belongs_to_one_content(database_url: str) -> None:
    engines = [make_engine(database_url, pool_size=1) for _ in range(2)]
    keys = [PostgresClientOrderKeys(engine) for engine in engines]
    for number in range(ROUNDS):
        key = f"key {number}"
        won = at_once(
            partial(keys[0].reserve, "alice", key, "one content"),
            partial(keys[1].reserve, "alice", key, "another"),
        )
        assert sorted(won) == [False, True]
    for engine in engines:
        engine.dispose()


def new_order(order: Order) -> NewOrder:
    return first_transition(order, MOMENT, None)


def created(record: PostgresOrderRecord, order: Order, *, lease_ms: int) -> ClaimedOrder:
    new = new_order(order)
    assert record.create([new], lease_ms=lease_ms) == {order.order_id}
    return ClaimedOrder(new.state, fence=1)


def write_ahead(claimed: ClaimedOrder) -> Transition:
    state, events = claimed.state, []
    for status in (OrderStatus.ROUTED, OrderStatus.BUILDING, OrderStatus.SUBMITTED):
        state, event = state.transition_to(Recorded(status, {}), MOMENT)
        events.append(event)
    return Transition(claimed, state, tuple(events), new_attempt=an_attempt(state.order, state.attempt))
