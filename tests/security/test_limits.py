"""What one account may take, on fakes and on the record."""

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.subscriptions import PostgresSubscriptions
from chalicelib.adapters.postgres.usage import PostgresUsage
from chalicelib.domain.amounts import parse_units
from chalicelib.domain.errors import (
    Code,
    ExecutionError,
    InvalidRequestError,
    LimitExceededError,
    RetryableError,
)
from chalicelib.domain.principals import Principal
from chalicelib.services.intake.limits import (
    CONNECTION_DURATION_MAX,
    ConnectionLimits,
    OpenOrders,
    OrderLimits,
    OrderRate,
)
from chalicelib.wire.json_text import JsonLimits, parse_object
from tests.fakes.orders import an_order
from tests.fakes.ports import FrozenClock


class Later(Executor):
    """Runs nothing until asked to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()

    def run(self) -> None:
        work, self.work = self.work, []
        for each in work:
            each()


def code_of(work: Callable[[], object]) -> Code:
    with pytest.raises(ExecutionError) as refused:
        work()
    return refused.value.code


def test_burst_is_allowed_at_once_and_then_the_rate_counts() -> None:
    clock = FrozenClock()
    rate = OrderRate(10, 3, clock)
    assert [rate.take("alice") for _ in range(4)] == [True, True, True, False]
    clock.sleep(0.125)
    assert [rate.take("alice") for _ in range(2)] == [True, False]


def test_fast_account_slows_only_itself() -> None:
    rate = OrderRate(1, 1, FrozenClock())
    assert [rate.take("alice"), rate.take("alice"), rate.take("bob")] == [True, False, True]


def test_refused_orders_do_not_postpone_the_next_one_allowed() -> None:
    clock = FrozenClock()
    rate = OrderRate(1, 1, clock)
    rate.take("alice")
    for _ in range(10):
        clock.sleep(0.1)
        allowed = rate.take("alice")
    assert allowed


class OpenOrdersCase:
    def __init__(self, limit: int) -> None:
        self.clock, self.executor = FrozenClock(), Later()
        self.on_record: int | None = 0
        self.questions = 0
        self.limit = OpenOrders(self._count, self.clock, self.executor, limit=limit)

    def _count(self, _account_id: str, limit: int) -> int:
        self.questions += 1
        if self.on_record is None:
            raise RetryableError("down")
        return min(self.on_record, limit)

    def take(self, times: int = 1) -> int:
        return sum(self.limit.take("alice") for _ in range(times))


def test_quiet_account_never_costs_a_question_to_the_record() -> None:
    case = OpenOrdersCase(limit=100)
    case.take(9)
    case.executor.run()
    assert case.questions == 0


def test_account_with_too_many_open_orders_is_refused_until_some_end() -> None:
    case = OpenOrdersCase(limit=100)
    assert case.take(10) == 10
    case.on_record = 95
    case.executor.run()
    assert case.take(10) == 5
    case.clock.sleep(2)
    assert case.take() == 0
    case.on_record = 20
    case.executor.run()
    assert case.take() == 1


def test_count_replaces_only_the_orders_that_it_could_have_seen() -> None:
    case = OpenOrdersCase(limit=20)
    case.take(2)
    case.take(10)
    case.on_record = 2
    case.executor.run()
    assert case.take(20) == 8


def test_open_orders_are_not_refused_while_the_record_is_down() -> None:
    case = OpenOrdersCase(limit=10)
    case.on_record = None
    for _ in range(10):
        assert case.take(5) == 5
        case.executor.run()
        case.clock.sleep(2)


def test_each_limit_on_orders_has_a_code_of_its_own() -> None:
    clock = FrozenClock()
    slow = OrderLimits(OrderRate(1, 1, clock), OpenOrders(lambda *_: 0, clock, Later(), limit=9))
    slow.admit("alice")
    assert code_of(lambda: slow.admit("alice")) is Code.RATE_LIMITED
    full = OrderLimits(OrderRate(9, 9, clock), OpenOrders(lambda *_: 0, clock, Later(), limit=1))
    full.admit("alice")
    assert code_of(lambda: full.admit("alice")) is Code.TOO_MANY_OPEN_ORDERS


class FakeUsage:
    def __init__(self, *, has_room: bool = True, subscription_count: int = 0, is_down: bool = False) -> None:
        self.has_room = has_room
        self.subscribed = subscription_count
        self.is_down = is_down
        self.noted: list[datetime] = []

    def note_connection(
        self, _connection_id: str, _account_id: str, expires_at: datetime, *, batched: bool, limit: int
    ) -> bool:
        assert limit == 2
        assert not batched
        if self.is_down:
            raise RetryableError("down")
        self.noted.append(expires_at)
        return self.has_room

    def subscription_count(self, _connection_id: str) -> int:
        return self.subscribed


def connection_limits(usage: FakeUsage) -> ConnectionLimits:
    return ConnectionLimits(usage, FrozenClock(), connections_max=2, subscriptions_max=3)


@pytest.mark.parametrize(
    ("token_s", "lasts_s"), [(None, 7_200), (60, 60), (9_000, CONNECTION_DURATION_MAX.total_seconds())]
)
def test_connection_lasts_as_long_as_its_token_and_two_hours_at_most(
    token_s: int | None, lasts_s: int
) -> None:
    usage, now = FakeUsage(), FrozenClock().now()
    until = None if token_s is None else now + timedelta(seconds=token_s)
    connection_limits(usage).admit("c", Principal("alice", until))
    assert usage.noted == [now + timedelta(seconds=lasts_s)]


def test_connection_beyond_the_limit_is_refused() -> None:
    limits = connection_limits(FakeUsage(has_room=False))
    assert code_of(lambda: limits.admit("c", Principal("alice"))) is Code.TOO_MANY_CONNECTIONS


def test_connection_is_let_in_while_the_record_is_down() -> None:
    connection_limits(FakeUsage(is_down=True)).admit("c", Principal("alice"))


def test_subscription_beyond_the_limit_is_refused() -> None:
    connection_limits(FakeUsage(subscription_count=2)).check_subscriptions("c")
    full = connection_limits(FakeUsage(subscription_count=3))
    assert code_of(lambda: full.check_subscriptions("c")) is Code.TOO_MANY_SUBSCRIPTIONS


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


def test_record_counts_an_accounts_unfinished_orders_alone(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.begin() as connection:
        for number, (account, status) in enumerate(
            [("alice", "pending"), ("alice", "routed"), ("alice", "canceled"), ("bob", "pending")]
        ):
            connection.execute(
                _ORDER, {"id": f"00000000-0000-7000-8000-{number:012}", "account": account, "status": status}
            )
            connection.execute(_SUBSCRIPTION, {"id": f"00000000-0000-7000-8000-{number:012}"})
    usage = PostgresUsage(engine)
    assert usage.open_orders("alice", limit=10) == 2
    assert usage.open_orders("alice", limit=1) == 1
    assert usage.subscription_count("c") == 3
    engine.dispose()


def test_connection_past_its_time_receives_nothing_even_before_it_is_closed(database_url: str) -> None:
    engine = make_engine(database_url)
    order_id = UUID("00000000-0000-7000-8000-000000000000")
    with engine.begin() as connection:
        connection.execute(_ORDER, {"id": str(order_id), "account": "x", "status": "pending"})
        connection.execute(_SUBSCRIPTION, {"id": str(order_id)})
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
VALUES ('c', CAST(:id AS uuid), 'x', true, 0)
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
    assert parse_object(json.dumps(message), LIMITS) == message


def test_nesting_that_would_exhaust_the_parser_is_refused() -> None:
    deep = '{"a":' + "[" * 5_000 + "]" * 5_000 + "}"
    assert code_of(lambda: parse_object(deep)) is Code.JSON_TOO_DEEP


def test_amount_with_too_many_decimals_has_a_code_of_its_own() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_units("1.1234567", 6, field="amount")
    assert refused.value.code is Code.TOO_MANY_DECIMALS
    assert not isinstance(refused.value, LimitExceededError)
