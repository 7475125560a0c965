"""Live events and replays at the same time, on real connections: none lost, none twice."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Engine

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.delivery.publisher import EventPublisher
from chalicelib.services.delivery.replay import ReplayOrders, Subscriber
from chalicelib.services.ports import Delivery, Frame
from tests.contract.records import Store, on_postgres
from tests.fakes.orders import LIFE, VIEWS, an_order
from tests.fakes.ports import FakeQueue

ORDERS = 12
S = OrderStatus
# A long life, so that there are many moments at which to hand over.
LONG_LIFE = (S.ROUTED, S.ROUTING) * 8 + LIFE[2:]


class Peers:
    """``Connections`` that note what arrived, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seqs: dict[str, list[int]] = {}

    def post(self, frames: Iterable[Frame]) -> Mapping[str, Delivery]:
        posted = list(frames)
        with self._lock:
            for frame in posted:
                self.seqs.setdefault(frame.connection_id, []).append(json.loads(frame.text)["seq"])
        return {frame.connection_id: Delivery.DELIVERED for frame in posted}

    def close(self, connection_id: str) -> None:
        raise NotImplementedError(connection_id)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, pool_size=10)
    yield engine
    engine.dispose()


def live_through(store: Store, publisher: EventPublisher, *, connection_id: str, begun: Future[UUID]) -> None:
    """Move one order through its life, publishing each event after its commit;
    say in ``begun`` which it is.
    """
    order = an_order(account_id=connection_id)
    claimed = store.created(order)
    for number, status in enumerate(LONG_LIFE):
        before = claimed.state.seq
        claimed = store.moved(claimed, status)
        publisher.publish([(order, store.queries.events_after(order.order_id, before, limit=1))])
        if number == 2:
            begun.set_result(order.order_id)


@pytest.mark.parametrize("after_seq", [0, 3])
def test_replay_beside_live_events_loses_and_doubles_nothing(engine: Engine, after_seq: int) -> None:
    store, peers = on_postgres(engine), Peers()
    publisher = EventPublisher(store.subscriptions, peers, FakeQueue(), VIEWS)
    replay_orders = ReplayOrders(
        store.subscriptions, store.queries, peers, SystemClock(), VIEWS, lookup_wait_ms=1000
    )

    def subscribe(connection_id: str, begun: Future[UUID]) -> None:
        replay_orders.replay(Subscriber(connection_id, connection_id), begun.result(), after_seq=after_seq)

    names = [f"connection-{number}" for number in range(ORDERS)]
    with ThreadPoolExecutor(8) as threads:
        for start in range(0, ORDERS, 4):
            running = []
            for name in names[start : start + 4]:
                begun: Future[UUID] = Future()
                running += [
                    threads.submit(live_through, store, publisher, connection_id=name, begun=begun),
                    threads.submit(subscribe, name, begun),
                ]
            for each in running:
                each.result()
    last = 2 + len(LONG_LIFE)
    # A replay and a live sender may overtake each other on the wire, but clients go by the numbers.
    assert {name: sorted(seqs) for name, seqs in peers.seqs.items()} == {
        name: list(range(after_seq + 1, last + 1)) for name in names
    }
