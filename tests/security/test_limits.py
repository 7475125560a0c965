"""What one account may take, on fakes and on the record."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.subscriptions import EVERY_ORDER, PostgresSubscriptions
from chalicelib.adapters.postgres.usage import PostgresUsage
from chalicelib.domain.amounts import parse_units
from chalicelib.domain.errors import (
    Code,
    ExecutionError,
    InvalidRequestError,
    LimitExceededError,
)
from chalicelib.domain.orders import OrderState
from chalicelib.domain.principals import Principal
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.intake.limits import NotedConnection
from chalicelib.wire.json_text import JsonLimits, parse_object
from tests.contract.records import on_postgres
from tests.contract.test_open_orders import RESTING
from tests.fakes.orders import advanced, an_order, changed


def code_of(work: Callable[[], object]) -> Code:
    with pytest.raises(ExecutionError) as refused:
        work()
    return refused.value.code


def test_record_notes_connections_up_to_the_limit_of_each_account(database_url: str) -> None:
    engine = make_engine(database_url)
    usage, later = PostgresUsage(engine), datetime.now(UTC) + timedelta(hours=1)
    noted = [usage.note_connection(f"c{n}", "alice", later, batched=False, limit=2) for n in range(3)]
    assert noted == [True, True, False]
    assert usage.note_connection("d", "bob", later, batched=False, limit=2)
    with engine.begin() as connection:
        connection.execute(text("UPDATE connections SET expires_at = now() WHERE connection_id = 'c0'"))
    assert usage.note_connection("c3", "alice", later, batched=False, limit=2)
    engine.dispose()


def test_record_says_whose_a_noted_connection_is_and_nothing_of_another(database_url: str) -> None:
    engine = make_engine(database_url)
    usage, later = PostgresUsage(engine), datetime.now(UTC) + timedelta(hours=1)
    assert usage.note_connection("c", "alice", later, batched=True, limit=2)
    assert usage.noted_connection("c") == NotedConnection(Principal("alice", later), is_batched=True)
    assert usage.noted_connection("d") is None
    # Not even an id that came back could make one account's connection another's.
    assert not usage.note_connection("c", "mallory", later, batched=True, limit=2)
    assert usage.noted_connection("c") == NotedConnection(Principal("alice", later), is_batched=True)
    PostgresSubscriptions(engine).forget(["c"])
    assert usage.noted_connection("c") is None
    engine.dispose()


def test_record_counts_an_accounts_orders_under_way_and_a_connections_subscriptions_alone(
    database_url: str,
) -> None:
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, (account, status) in enumerate(
            [("alice", "pending"), ("alice", "routed"), ("alice", "canceled"), ("bob", "pending")]
        ):
            connection.execute(
                _ORDER, {"id": f"00000000-0000-7000-8000-{number:012}", "account": account, "status": status}
            )
            connection.execute(
                _SUBSCRIPTION, {"connection": "c", "id": f"00000000-0000-7000-8000-{number:012}"}
            )
        for connection_id, order_id in (("c", EVERY_ORDER), ("d", EVERY_ORDER), ("d", UUID(int=1))):
            connection.execute(_SUBSCRIPTION, {"connection": connection_id, "id": str(order_id)})
    usage = PostgresUsage(engine)
    assert usage.open_orders("alice", limit=10) == 2
    assert usage.open_orders("alice", limit=1) == 1
    assert usage.subscription_count("c") == 4, "those to unfinished orders, and that to everything"
    engine.dispose()


def test_record_counts_an_accounts_resting_orders_alone(database_url: str) -> None:
    engine = make_engine(database_url)
    orders = [an_order(account_id=account) for account in ("alice", "alice", "bob")]
    new = []
    for order in orders:
        state, events = advanced(OrderState(changed(order, **RESTING)), OrderStatus.PENDING, OrderStatus.OPEN)
        new.append(NewOrder(state, events, None))
    under_way, events = advanced(OrderState(an_order(account_id="alice")), OrderStatus.PENDING)
    new.append(NewOrder(under_way, events, None))
    on_postgres(engine).record.create(new, lease_ms=0)
    usage = PostgresUsage(engine)
    assert [usage.resting_orders(account, limit=10) for account in ("alice", "bob", "carol")] == [2, 1, 0]
    assert usage.open_orders("alice", limit=10) == 1
    engine.dispose()


def test_connection_past_its_time_receives_nothing_even_before_it_is_closed(database_url: str) -> None:
    engine = make_engine(database_url)
    order_id = UUID("00000000-0000-7000-8000-000000000000")
    with engine.begin() as connection:
        connection.execute(_ORDER, {"id": str(order_id), "account": "x", "status": "pending"})
        connection.execute(_SUBSCRIPTION, {"connection": "c", "id": str(order_id)})
    subscriptions, usage = PostgresSubscriptions(engine), PostgresUsage(engine)
    now = datetime.now(UTC)
    order = an_order(order_id=order_id, account_id="x")
    received = []
    for expires_at in (None, now + timedelta(hours=1), now - timedelta(seconds=1)):
        if expires_at is not None:
            usage.note_connection("c", "x", expires_at, batched=False, limit=9)
        received.append([subscription.connection_id for subscription in subscriptions.of_orders([order])])
    assert received == [["c"], ["c"], []]
    engine.dispose()


_ORDER = text("""
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, slippage_bps, content_sha256, accepted_at, valid_until, status, seq, attempt, fence,
    lease_until)
VALUES (CAST(:id AS uuid), :account, 'market', 'exact_in', 'SOL', 'USDC', 1, 'SOL', 50, 'x', now(), now(),
    :status, 1, 1, 1, now())
""")
_SUBSCRIPTION = text("""
INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
VALUES (:connection, CAST(:id AS uuid), 'x', true, 0)
""")

LIMITS = JsonLimits(bytes_max=200, depth_max=3, text_length_max=20)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"a":"' + "x" * 200 + '"}', Code.MESSAGE_TOO_LARGE),
        ('{"a":"' + "é" * 100 + '"}', Code.MESSAGE_TOO_LARGE),
        ('{"a":{"b":{"c":{}}}}', Code.JSON_TOO_DEEP),
        ('{"a":[[[1]]]}', Code.JSON_TOO_DEEP),
        ('{"a":"' + "x" * 21 + '"}', Code.TEXT_TOO_LONG),
        ('{"' + "x" * 21 + '":1}', Code.TEXT_TOO_LONG),
        ('{"a":[["' + "x" * 21 + '"]]}', Code.TEXT_TOO_LONG),
        ('{"a":1.' + "1" * 30 + "}", Code.TEXT_TOO_LONG),
    ],
)
def test_message_beyond_a_limit_is_refused_with_the_limits_code(message: str, code: Code) -> None:
    assert code_of(lambda: parse_object(message, LIMITS)) is code


def test_message_at_every_limit_is_read() -> None:
    message = {"a": {"b": {"c": "x" * 20}}, "x" * 20: 1}
    text = json.dumps(message).ljust(LIMITS.bytes_max)
    assert parse_object(text, LIMITS) == parse_object(text.encode(), LIMITS) == message


def test_nesting_that_would_exhaust_the_parser_is_refused() -> None:
    deep = '{"a":' + "[" * 5_000 + "]" * 5_000 + "}"
    assert code_of(lambda: parse_object(deep)) is Code.JSON_TOO_DEEP


def test_amount_with_too_many_decimals_has_a_code_of_its_own() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_units("1.1234567", 6, field="amount")
    assert refused.value.code is Code.TOO_MANY_DECIMALS
    assert not isinstance(refused.value, LimitExceededError)
