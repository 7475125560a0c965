"""Canceling all orders also ends those whose messages wait in the queue, and no cancel stays untold."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.cancels import MARK
from chalicelib.adapters.postgres.statements import Database
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import MARKS_KEPT, UNRECORDED_MAX
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.terms import OrderType
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.resting_fields import meant_fields
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order
from tests.integration.consumer import Consumer

S = OrderStatus
OF_ACCOUNT = "SELECT base FROM cancel_marks WHERE account_id = 'marks'"
WAITING = text("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
SELL = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1"}
LIMIT = SELL | {"type": "limit", "limitPrice": "900"}
MARKETABLE = SELL | {"type": "limit", "limitPrice": "1"}
STOP = SELL | {"trigger": {"price": "1", "when": "below"}}


def in_queue(consumer: Consumer, members: dict[str, Any]) -> UUID:
    """Submit an order that no consumer has seen yet."""
    terms = meant_fields(OrderFields, members).terms(consumer.services.tokens)
    return consumer.services.submit_orders.submit(terms, "local").order_id


def statuses(consumer: Consumer, order_id: UUID) -> list[OrderStatus]:
    return [event.status for event in consumer.services.queries.events_after(order_id, 0, limit=100)]


def unpublished(consumer: Consumer) -> int:
    with consumer.services.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM unpublished")).scalar_one())


@pytest.mark.parametrize("members", [SELL, LIMIT, MARKETABLE, STOP])
def test_order_in_the_queue_is_canceled_before_it_rests_or_executes(
    consumer: Consumer, members: dict[str, Any]
) -> None:
    order_id = in_queue(consumer, members)
    done = consumer.services.cancel_all_orders.cancel_all("local", OrderFilter())
    assert (done.canceled, done.has_more) == (0, False)
    assert consumer.run()[1] == []
    found = statuses(consumer, order_id)
    assert (found[0], found[-1]) == (S.PENDING, S.CANCELED)
    assert not {S.OPEN, S.SUBMITTED, S.TRIGGERED} & set(found)


def test_order_that_the_filter_does_not_mean_or_that_comes_later_goes_its_way(consumer: Consumer) -> None:
    spared = in_queue(consumer, LIMIT)
    consumer.services.cancel_all_orders.cancel_all("local", OrderFilter(types=(OrderType.SNIPER,)))
    consumer.services.cancel_all_orders.cancel_all("local", OrderFilter(base="JUP"))
    later = in_queue(consumer, LIMIT)
    while spared and not (statuses(consumer, spared) and statuses(consumer, later)):
        assert consumer.run()[1] == []
    assert statuses(consumer, spared) == statuses(consumer, later) == [S.PENDING, S.OPEN]
    assert consumer.services.cancel_all_orders.cancel_all("local", OrderFilter()).canceled == 2
    assert unpublished(consumer) == 0


def test_mark_stays_for_as_long_as_an_order_that_it_means_may_still_come_on_record(
    consumer: Consumer,
) -> None:
    database = Database(consumer.services.engine)
    now = datetime.now(UTC)

    def marked(base: str, at: datetime) -> list[str]:
        """Mark, and return what is marked by then."""
        asked = {"account_id": "marks", "base": base, "quote": "", "types": "", "at": at}
        database.execute(MARK, asked)
        with consumer.services.engine.connect() as connection:
            return sorted(connection.execute(text(OF_ACCOUNT)).scalars())

    marked("SOL", now - MARKS_KEPT - timedelta(minutes=1))
    marked("JUP", now - UNRECORDED_MAX - timedelta(hours=23))
    assert marked("USDC", now) == ["JUP", "USDC"]


def test_consumer_that_created_the_order_just_before_finds_it_canceled_at_its_next_step(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = in_queue(consumer, SELL)
    record, use = consumer.services.record, consumer.services.cancel_all_orders
    create = type(record).create

    def create_late(*args: Any, **named: Any) -> Any:
        # All that the request finds on record is what was there before this commit.
        use.cancel_all("local", OrderFilter())
        return create(record, *args, **named)

    monkeypatch.setattr(record, "create", create_late)
    assert consumer.run()[1] == []
    assert statuses(consumer, order_id) == [S.PENDING, S.ROUTING, S.CANCELED]


def test_order_that_comes_with_its_transaction_waits_for_a_cancel_of_all_that_is_being_noted(
    consumer: Consumer,
) -> None:
    engine, order = consumer.services.engine, an_order(account_id="local")
    noted = {"account_id": "local", "base": "", "quote": "", "types": "", "at": order.accepted_at}
    with ThreadPoolExecutor(1) as pool, Database(engine).transaction() as canceling:
        canceling.execute(MARK, noted)
        begun = pool.submit(on_postgres(engine).begun, order)
        with engine.connect() as onlooker:
            while not onlooker.execute(WAITING).scalar_one():
                assert not begun.done(), "it waits for the mark"
        canceling.commit()
        assert begun.result() == {}
    assert consumer.services.record.state("local", order.order_id) is None


def test_cancel_that_was_never_told_is_resumed_by_the_sweep_and_noted_by_its_consumer(
    consumer: Consumer,
) -> None:
    order_id = in_queue(consumer, LIMIT)
    consumer.run()
    services = consumer.services
    assert services.record.cancel("local", order_id, services.clock.now()) is not None
    services.sweep.run()
    assert unpublished(consumer) == 1, "its requester may be about to publish it"
    with services.engine.begin() as connection:
        ago = {"ago": timedelta(minutes=1)}
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(text("UPDATE unpublished SET since = since - CAST(:ago AS interval)"), ago)
        connection.execute(text("UPDATE orders SET updated_at = updated_at - CAST(:ago AS interval)"), ago)
    services.sweep.run()
    assert consumer.run()[1] == []
    assert unpublished(consumer) == 0
    state = services.record.state("local", order_id)
    assert state is not None
    assert state.published_seq == state.seq == 3
