"""What ends an order, or lets it rest, where the record may lack that the order has executed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.cancel_all import PostgresOpenOrders
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.adapters.postgres.servers import HOLDS_S, PostgresServers
from chalicelib.domain.errors import Code, ExecutionError, RetryableError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, NewOrder, Transition
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.services.consumer import transitions
from tests.contract.records import LONG_LEASE_MS, next_transition, on_postgres
from tests.fakes.orders import NOON, VIEWS, advanced, an_order, changed

ALL = OrderFilter()
PENDING, OPEN = OrderStatus.PENDING, OrderStatus.OPEN


def a_limit_order() -> Order:
    order = changed(
        an_order(), order_type=OrderType.LIMIT, slippage_bps=None, time_in_force=TimeInForce.GTC,
        limit=Limit("151", Rate.of(151, 1_000)), valid_for_s=None,
    )  # fmt: skip
    return replace(order, valid_until=None)


class Record:
    """A record on Solana, and functions of which one looks where it is."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now_s = 0.0
        self.servers = PostgresServers(engine, monotonic_s=lambda: self.now_s)
        self.consumer = PostgresOrderRecord(engine, VIEWS, server=self.servers.believed)
        self.handler = PostgresOrderRecord(engine, VIEWS, must_be_known=True)
        self.open_orders = PostgresOpenOrders(engine, must_be_known=True)
        self.servers.found()

    def fails_over(self) -> None:
        self.execute(
            "UPDATE servers SET name = 'elsewhere' WHERE server_id = (SELECT max(server_id) FROM servers)"
        )

    def is_noticed(self) -> None:
        self.now_s += HOLDS_S
        self.servers.found()

    def is_settled(self) -> None:
        self.servers.note_settled(self.servers.found().server_id)
        self.servers.found()

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def created(self, order: Order | None = None, *statuses: OrderStatus) -> ClaimedOrder:
        return on_postgres(self.engine).created(order or an_order(), *statuses)

    def put_to_rest(self, claimed: ClaimedOrder) -> ClaimedOrder:
        step = replace(transitions.rest(claimed, NOON), release=True)
        assert self.consumer.record([step], lease_ms=LONG_LEASE_MS)
        return ClaimedOrder(step.state, claimed.fence)

    def at_rest(self) -> ClaimedOrder:
        return self.put_to_rest(self.created(a_limit_order(), PENDING))

    def looked_up(self, claimed: ClaimedOrder) -> ClaimedOrder:
        """Have a consumer look an order up that rests, and leave it at rest."""
        (again,) = self.consumer.claim(
            [claimed.state.order.order_id], lease_ms=LONG_LEASE_MS
        ).claimed.values()
        return self.put_to_rest(again)

    def status(self, claimed: ClaimedOrder) -> OrderStatus:
        order = claimed.state.order
        found = self.handler.state(order.account_id, order.order_id)
        assert found is not None
        return found.status or PENDING

    def cancel(self, claimed: ClaimedOrder) -> bool:
        order = claimed.state.order
        return self.handler.cancel(order.account_id, order.order_id, NOON) is not None


@pytest.fixture
def record(make_database: Callable[[], str]) -> Iterator[Record]:
    engine = make_engine(make_database())
    yield Record(engine)
    engine.dispose()


def expired(claimed: ClaimedOrder) -> Transition:
    return next_transition(claimed, OrderStatus.EXPIRED)


def failed(claimed: ClaimedOrder) -> Transition:
    return transitions.failed(claimed, ExecutionError(Code.NO_ROUTE, "there is none"), NOON)


def rests(claimed: ClaimedOrder) -> Transition:
    return transitions.rest(claimed, NOON)


@pytest.mark.parametrize("step", [expired, failed, rests])
def test_consumer_that_has_not_noticed_another_server_neither_ends_an_order_nor_puts_it_to_rest(
    record: Record, step: Callable[[ClaimedOrder], Transition]
) -> None:
    claimed = record.created(a_limit_order(), PENDING)
    record.fails_over()
    with pytest.raises(RetryableError, match="another server"):
        record.consumer.record([step(claimed)], lease_ms=LONG_LEASE_MS)
    assert record.status(claimed) is claimed.state.status
    record.is_noticed()
    assert record.consumer.record([step(claimed)], lease_ms=LONG_LEASE_MS)


def test_consumer_that_has_not_noticed_another_server_gives_an_order_back_all_the_same(
    record: Record,
) -> None:
    claimed = record.created()
    record.fails_over()
    assert record.consumer.record([transitions.release(claimed, published=False)], lease_ms=LONG_LEASE_MS)


def test_order_that_is_late_when_it_comes_on_record_ends_on_no_server_that_was_not_noticed(
    record: Record,
) -> None:
    order = an_order()
    state, events = advanced(OrderState(order), PENDING, OrderStatus.EXPIRED)
    record.fails_over()
    with pytest.raises(RetryableError, match="another server"):
        record.consumer.create([NewOrder(state, events, None)], lease_ms=0)
    assert record.handler.state(order.account_id, order.order_id) is None


def test_order_that_a_mark_covers_ends_on_no_server_that_was_not_noticed(record: Record) -> None:
    claimed = record.created()
    order = claimed.state.order
    record.open_orders.mark(order.account_id, ALL, order.accepted_at)
    record.fails_over()
    with pytest.raises(RetryableError, match="another server"):
        record.consumer.cancel_covered([order.order_id], NOON)
    record.is_noticed()
    assert record.consumer.cancel_covered([order.order_id], NOON)


def touched(record: Record, claimed: ClaimedOrder) -> Sequence[Callable[[], object]]:
    """Return what an owner may do to an order, each of which a handler does without a look at the chain."""
    order = claimed.state.order

    def amend() -> object:
        return record.handler.amend(
            order.account_id, order.order_id, NOON, lambda state: state.order, {"limitPrice": "151"}
        )

    return lambda: record.cancel(claimed), amend


def test_owner_neither_cancels_nor_amends_what_may_have_executed_until_it_was_looked_up(
    record: Record,
) -> None:
    claimed = record.at_rest()

    def is_refused() -> None:
        for touch in touched(record, claimed):
            with pytest.raises(RetryableError, match="not known yet"):
                touch()
        assert record.open_orders.cancel_some(claimed.state.order.account_id, ALL, NOON, limit=10) == []
        assert record.status(claimed) is OPEN

    record.fails_over()
    is_refused()  # nothing has noticed it
    record.is_noticed()
    is_refused()  # what was signed before may land yet
    record.is_settled()
    is_refused()  # its turn is yet to come
    assert record.open_orders.unfinished(claimed.state.order.account_id, ALL, limit=10).cancelable == 1
    claimed = record.looked_up(claimed)
    cancel, amend = touched(record, claimed)
    amend()
    cancel()
    assert record.status(claimed) is OrderStatus.CANCELED


def test_owner_cancels_all_that_was_looked_up_and_nothing_else(record: Record) -> None:
    first, second = record.at_rest(), record.at_rest()
    account_id = first.state.order.account_id
    assert account_id == second.state.order.account_id
    record.fails_over()
    record.is_noticed()
    record.is_settled()
    record.looked_up(second)
    (ended,) = record.open_orders.cancel_some(account_id, ALL, NOON, limit=10)
    assert ended.order.order_id == second.state.order.order_id
    assert record.status(first) is OPEN


def test_owner_amends_what_was_looked_up_beside_orders_that_were_not(record: Record) -> None:
    """The plan that a session keeps after five reads all orders, if there are few: others do not count."""
    record.at_rest()
    claimed = record.at_rest()
    record.fails_over()
    record.is_noticed()
    record.is_settled()
    _, amend = touched(record, record.looked_up(claimed))
    for _ in range(7):
        amend()


def test_owner_cancels_as_ever_where_nothing_is_missing_or_is_not_any_more(record: Record) -> None:
    assert record.cancel(record.at_rest())
    claimed = record.at_rest()
    record.fails_over()
    record.is_noticed()
    record.is_settled()
    record.execute("UPDATE servers SET woken_at = now() - interval '25 hours'")
    assert record.cancel(claimed)


def test_what_was_looked_up_after_one_failover_may_have_executed_before_the_next(record: Record) -> None:
    claimed = record.at_rest()
    for _ in range(2):
        record.fails_over()
        record.is_noticed()
        record.is_settled()
        with pytest.raises(RetryableError, match="not known yet"):
            record.cancel(claimed)
        claimed = record.looked_up(claimed)
    assert record.cancel(claimed)


def test_failover_that_an_older_release_dealt_with_holds_up_no_cancel(record: Record) -> None:
    claimed = record.at_rest()
    record.fails_over()
    record.is_noticed()
    record.execute("UPDATE servers SET notes_orders = false")  # as the migration finds them
    assert record.cancel(claimed)


def test_owner_is_told_of_an_end_as_ever(record: Record) -> None:
    claimed = record.at_rest()
    assert record.cancel(claimed)
    record.fails_over()
    assert not record.cancel(claimed)


def test_simulated_market_whose_ledger_is_in_the_record_asks_no_server(record: Record) -> None:
    claimed = record.at_rest()
    record.fails_over()
    order = claimed.state.order
    simulated = PostgresOrderRecord(record.engine, VIEWS)
    assert simulated.cancel(order.account_id, order.order_id, NOON)
    other = record.created()
    assert simulated.record([expired(other)], lease_ms=LONG_LEASE_MS)


def test_what_was_found_to_have_executed_is_not_canceled_with_all_others(record: Record) -> None:
    claimed = record.created()
    order = claimed.state.order
    record.open_orders.mark(order.account_id, ALL, order.accepted_at)
    step = next_transition(claimed, OrderStatus.ROUTED, OrderStatus.BUILDING, OrderStatus.SUBMITTED)
    assert not record.consumer.record([step], lease_ms=LONG_LEASE_MS)
    found = Transition(claimed, step.state, step.events, new_attempt=step.new_attempt, is_found=True)
    assert record.consumer.record([found], lease_ms=LONG_LEASE_MS)
    assert record.consumer.cancel_covered([order.order_id], NOON) == []


class Sweeping:
    """The sweep of a record on Solana."""

    def __init__(self, record: Record) -> None:
        self._servers = PostgresServers(record.engine)
        self._housekeeping = PostgresHousekeeping(record.engine, servers=self._servers)

    def __call__(self) -> int:
        return self._housekeeping.wake_doubted(limit=1_000)


def due(record: Record) -> int:
    with record.engine.connect() as connection:
        counted = "SELECT count(*) FROM watches WHERE armed AND wake_at <= now()"
        return int(connection.execute(text(counted)).scalar_one())


def test_sweep_notices_another_server_and_has_one_order_bring_a_consumer_that_settles_it(
    record: Record,
) -> None:
    for _ in range(3):
        record.at_rest()
    record.fails_over()
    Sweeping(record)()
    assert due(record) == 1
    record.is_noticed()
    assert record.servers.found().server_id == 2
    record.is_settled()
    Sweeping(record)()
    assert due(record) == 3


def test_sweep_of_a_record_that_has_not_moved_wakes_nothing(record: Record) -> None:
    record.at_rest()
    Sweeping(record)()
    assert due(record) == 0
