"""The chain of an order's events, which different functions write."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.event_chain_audit import check_event_chain
from chalicelib.adapters.postgres.order_queries import PostgresOrderQueries
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import ClaimedOrder, NewOrder, Transition
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.packed_fields import packed as pack
from tests.fakes.orders import NOON, VIEWS, advanced, an_order

LONG_LEASE_MS = 60_000


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def created(record: PostgresOrderRecord, order: Order, *, lease_ms: int = LONG_LEASE_MS) -> ClaimedOrder:
    state, events = advanced(
        OrderState(order), OrderStatus.PENDING, OrderStatus.ROUTING, data={"é": {"b": 1, "aa": None}}
    )
    assert record.create([NewOrder(state, events, None)], lease_ms=lease_ms)
    return ClaimedOrder(state, fence=1)


def moved(record: PostgresOrderRecord, claimed: ClaimedOrder, *statuses: OrderStatus) -> ClaimedOrder:
    state, events = advanced(claimed.state, *statuses, data={"of": "another"})
    assert record.record([Transition(claimed, state, events)], lease_ms=LONG_LEASE_MS)
    return replace(claimed, state=state)


def problems(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [found.problem for found in check_event_chain(connection)]


def test_steps_of_one_process_are_chained(engine: Engine) -> None:
    record = PostgresOrderRecord(engine, VIEWS)
    claimed = moved(record, created(record, an_order()), OrderStatus.ROUTED, OrderStatus.BUILDING)
    moved(record, claimed, OrderStatus.ROUTING)
    assert problems(engine) == []


def test_process_that_takes_an_order_over_goes_on_with_its_chain(engine: Engine) -> None:
    order = an_order()
    created(PostgresOrderRecord(engine, VIEWS), order, lease_ms=0)
    other = PostgresOrderRecord(engine, VIEWS)
    claimed = other.claim([order.order_id], lease_ms=LONG_LEASE_MS).claimed[order.order_id]
    moved(other, claimed, OrderStatus.ROUTED)
    assert problems(engine) == []


def test_process_that_has_forgotten_the_last_hash_asks_for_it(engine: Engine) -> None:
    claimed = created(PostgresOrderRecord(engine, VIEWS), an_order())
    moved(PostgresOrderRecord(engine, VIEWS), claimed, OrderStatus.ROUTED)
    assert problems(engine) == []


def test_cancel_goes_on_with_the_chain_that_it_finds(engine: Engine) -> None:
    record, order = PostgresOrderRecord(engine, VIEWS), an_order()
    moved(record, created(record, order), OrderStatus.ROUTED)
    assert record.cancel(order.account_id, order.order_id, NOON.replace(microsecond=120_000))
    assert problems(engine) == []


def test_step_that_comes_too_late_leaves_the_chain_to_whoever_was_faster(engine: Engine) -> None:
    record, order = PostgresOrderRecord(engine, VIEWS), an_order()
    claimed = created(record, order)
    assert record.cancel(order.account_id, order.order_id, NOON)
    state, events = advanced(claimed.state, OrderStatus.ROUTED)
    assert not record.record([Transition(claimed, state, events)], lease_ms=LONG_LEASE_MS)
    assert problems(engine) == []


def forged(engine: Engine, statement: str, order: Order) -> None:
    """Change the record as none but the database's owner can."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(statement), {"id": order.order_id})


def test_event_without_a_hash_is_found_once_older_functions_are_gone(engine: Engine) -> None:
    record, order = PostgresOrderRecord(engine, VIEWS), an_order()
    created(record, an_order())
    created(record, order)
    forged(engine, "UPDATE order_events SET chain = NULL WHERE order_id = :id", order)
    forged(engine, "UPDATE orders SET chain = NULL WHERE order_id = :id", order)
    assert problems(engine) == []
    later = "UPDATE order_events SET recorded_at = recorded_at + interval '{}' WHERE order_id = :id"
    forged(engine, later.format("59 minutes"), order)
    assert problems(engine) == []
    forged(engine, later.format("2 minutes"), order)
    assert problems(engine) == ["event 1 has no hash", "event 2 has no hash"]


def test_event_that_was_taken_out_or_changed_places_is_found(engine: Engine) -> None:
    record, orders = PostgresOrderRecord(engine, VIEWS), [an_order(), an_order()]
    for order in orders:
        moved(record, created(record, order), OrderStatus.ROUTED, OrderStatus.BUILDING)
    forged(engine, "DELETE FROM order_events WHERE order_id = :id AND seq = 1", orders[0])
    forged(engine, "UPDATE order_events SET seq = 9 - seq WHERE order_id = :id AND seq < 3", orders[1])
    forged(engine, "UPDATE order_events SET seq = seq - 6 WHERE order_id = :id AND seq > 6", orders[1])
    with engine.connect() as connection:
        found = {each.subject for each in check_event_chain(connection)}
    assert found == {str(order.order_id) for order in orders}


def test_order_that_shows_another_hash_than_its_last_event_is_found(engine: Engine) -> None:
    record, orders = PostgresOrderRecord(engine, VIEWS), [an_order(), an_order()]
    for order in orders:
        created(record, order)
    forged(
        engine, "UPDATE orders SET chain = decode(repeat('ab', 32), 'hex') WHERE order_id = :id", orders[1]
    )
    with engine.connect() as connection:
        found = [(each.subject, each.problem) for each in check_event_chain(connection)]
    assert found == [(str(orders[1].order_id), "the order shows another hash than its last event")]


def test_record_of_a_time_before_hashes_breaks_nothing(engine: Engine) -> None:
    order = an_order()
    created(PostgresOrderRecord(engine, VIEWS), order)
    forged(engine, "UPDATE order_events SET chain = NULL", order)
    assert problems(engine) == []


def test_orders_that_were_archived_hide_none_behind_them(engine: Engine) -> None:
    record = PostgresOrderRecord(engine, VIEWS)
    new = []
    for _ in range(501):
        state, events = advanced(OrderState(an_order()), OrderStatus.PENDING, OrderStatus.ROUTING)
        new.append(NewOrder(state, events, None))
    record.create(new, lease_ms=LONG_LEASE_MS)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        last = connection.execute(text("SELECT order_id FROM orders ORDER BY 1 DESC LIMIT 1")).scalar_one()
        # As the archive leaves them: the orders stay, and their events are elsewhere.
        connection.execute(text("DELETE FROM order_events WHERE order_id <> :last"), {"last": last})
        connection.execute(text("UPDATE order_events SET occurred_at = now()"))
    assert problems(engine) == ["event 2, or one before it, is not what was written"]


def rows(engine: Engine, order: Order) -> list[Row[Any]]:
    statement = text("SELECT status, data, packed FROM order_events WHERE order_id = :id ORDER BY seq")
    with engine.connect() as connection:
        return list(connection.execute(statement, {"id": order.order_id}))


def shown(engine: Engine, order: Order) -> list[object]:
    events = PostgresOrderQueries(engine).events_after(order.order_id, 0, limit=9)
    return [VIEWS.fields(event) for event in events]


def test_packed_and_plain_events_of_one_order_are_one_chain_and_shown_alike(engine: Engine) -> None:
    orders = an_order(), an_order()
    for order, first, then in zip(orders, (True, False), (False, True), strict=True):
        claimed = created(PostgresOrderRecord(engine, VIEWS, packs=first), order)
        moved(
            PostgresOrderRecord(engine, VIEWS, packs=then), claimed, OrderStatus.ROUTED, OrderStatus.BUILDING
        )
    assert problems(engine) == []
    assert shown(engine, orders[0]) == shown(engine, orders[1])
    packed = [[bool(row.packed) for row in rows(engine, order)] for order in orders]
    assert packed == [[True, False, False, False], [False, False, True, False]]


@pytest.mark.parametrize("packed", [b"\x01", pack('{"of":"others"}')], ids=["unreadable", "other fields"])
def test_packed_fields_that_were_changed_are_found(engine: Engine, packed: bytes) -> None:
    order = an_order()
    moved(
        PostgresOrderRecord(engine, VIEWS),
        created(PostgresOrderRecord(engine, VIEWS), order),
        OrderStatus.ROUTED,
    )
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE order_events SET packed = :packed WHERE seq = 3"), {"packed": packed})
    assert problems(engine) == ["event 3, or one before it, is not what was written"]


@pytest.mark.parametrize(
    ("status", "data"), [("routed", '{"txSignature":"x"}'), ("submitted", "{}")], ids=["both", "looked into"]
)
def test_row_that_says_one_thing_to_statements_and_another_to_its_owner_is_refused(
    engine: Engine, status: str, data: str
) -> None:
    order = an_order()
    created(PostgresOrderRecord(engine, VIEWS), order)
    append = text(
        "INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, packed)"
        " VALUES (:id, 3, :status, 1, now(), CAST(:data AS jsonb), :packed)"
    )
    told = {"id": order.order_id, "status": status, "data": data, "packed": pack('{"txSignature":"y"}')}
    with engine.connect() as connection, pytest.raises(DBAPIError, match="packed_check"):
        connection.execute(append, told)
