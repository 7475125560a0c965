"""What a lost queue leaves behind is taken up in one run, in a bounded number of bounded statements."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.adapters.postgres.subscriptions import REMOVED_MAX
from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.handlers import schedule
from chalicelib.services.recovery.sweeper import SWEPT_MAX, SubscriptionBehind, Sweep
from chalicelib.services.recovery.turns import Rest
from tests.contract.records import on_postgres
from tests.contract.waiting import wait_for_waiting
from tests.fakes.orders import an_order
from tests.fakes.ports import FakeConnections, FakeQueue
from tests.unit.handlers.conftest import ENVIRONMENT, CountingObserver

STRANDED = 20_000
FINISHED = 2_500
UNFINISHED = 2_000

# One order of the application's own, as often as it takes; what they say does not matter here.
COPIES = """
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt, fence,
    lease_until,
    failure_code, updated_at)
SELECT gen_random_uuid(), 'account ' || n % 7, 'market', 'exact_in', 'SOL', 'USDC', 1, 'SOL', 50,
    now() - interval '1 hour', now(), '', :status, 2, 1, 1, now() - interval '1 hour', :code,
    now() - interval '1 hour'
FROM generate_series(1, CAST(:number AS int)) AS n
"""
FOLLOWED = """
INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
SELECT 'c' || row_number() OVER () % 50, order_id, account_id, true, 2 FROM orders
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def run(engine: Engine, statement: str, **parameters: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), parameters)


def test_handler_resumes_twenty_thousand_stranded_orders_in_one_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engine, COPIES, status="routing", code=None, number=STRANDED)
    queue, services = FakeQueue(), Services(Settings.from_env(ENVIRONMENT))
    store = on_postgres(engine)
    sweep = Sweep(PostgresHousekeeping(engine), queue, FakeConnections(), store.subscriptions)
    vars(services).update(sweep=sweep, observer=CountingObserver())
    monkeypatch.setattr(schedule, "services", lambda: services)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    assert schedule.sweep() == {"done": True}
    resumed = [message.order_id for message in queue.messages if isinstance(message, ResumeMessage)]
    assert len(resumed) == len(set(resumed)) == STRANDED
    # Of the stranded two statements for a thousand; of each kind one or two that find nothing.
    assert len(statements) <= 2 * STRANDED / SWEPT_MAX + 10
    # Their messages wait in the queue now.
    assert schedule.sweep() == {"done": True}
    assert len(queue.messages) == STRANDED


def stranded(housekeeping: PostgresHousekeeping) -> list[UUID]:
    return [each.order_id for each in housekeeping.stranded_orders(Rest(), limit=10).found]


def test_order_that_a_consumer_has_claimed_since_is_stranded_anew(engine: Engine) -> None:
    housekeeping = PostgresHousekeeping(engine)
    order = an_order()
    on_postgres(engine).created(order)
    move = "UPDATE orders SET lease_until = clock_timestamp() - make_interval(secs => :ago)"
    run(engine, move, ago=3_600)
    housekeeping.note_resumed(stranded(housekeeping))
    assert stranded(housekeeping) == []
    run(engine, "UPDATE orders SET resumed_at = resumed_at - interval '60 s'")
    assert stranded(housekeeping) == []
    run(engine, move, ago=30)  # a consumer had it, and died
    assert stranded(housekeeping) == [order.order_id]


def test_sweep_waits_for_nothing_that_another_function_holds_and_leaves_it_to_that(engine: Engine) -> None:
    housekeeping, store = PostgresHousekeeping(engine), on_postgres(engine)
    held, free = (an_order().order_id for _ in range(2))
    for order_id in (held, free):
        store.created(an_order(order_id=order_id))
        store.subscriptions.begin_replay("c=", "alice", order_id, replay_id=uuid4(), after_seq=0)
    long_ago = "clock_timestamp() - interval '1 hour'"
    run(engine, f"UPDATE orders SET lease_until = {long_ago}")  # noqa: S608
    run(engine, f"UPDATE subscriptions SET updated_at = {long_ago}")  # noqa: S608

    def behind() -> list[SubscriptionBehind]:
        return list(housekeeping.subscriptions_behind(Rest(), limit=10).found)

    with engine.connect() as another:
        for table in ("orders", "subscriptions"):
            lock = text(f"SELECT FROM {table} WHERE order_id = CAST(:held AS uuid) FOR UPDATE")
            another.execute(lock, {"held": str(held)})
        assert set(stranded(housekeeping)) == {held, free}
        housekeeping.note_resumed([held, free])
        assert stranded(housekeeping) == [held]
        assert [each.order_id for each in behind()] == [free]
        another.rollback()
        (of_held,) = behind()
        assert of_held.order_id == held
        another.execute(lock, {"held": str(held)})
        housekeeping.note_unsent([of_held, replace(of_held, order_id=free)])
        assert [each.order_id for each in behind()] == [free]


def canceled(engine: Engine, *, is_published: bool) -> UUID:
    """Return an order that was canceled a while ago.

    If that is published, it is as if one that did so had ended before it could say so.
    """
    store, order = on_postgres(engine), an_order(order_id=uuid4())
    store.created(order)
    assert store.record.cancel(order.account_id, order.order_id, order.accepted_at)
    with engine.begin() as connection:
        connection.execute(text("UPDATE unpublished SET since = since - interval '1 hour'"))
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        told = text("UPDATE orders SET told_seq = CASE WHEN :all THEN seq ELSE 0 END WHERE order_id = :id")
        connection.execute(told, {"all": is_published, "id": order.order_id})
    return order.order_id


def unpublished(engine: Engine) -> list[UUID]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT order_id FROM unpublished")).scalars())


def test_order_whose_changes_were_all_published_is_named_to_no_sweep_and_keeps_no_other_from_it(
    engine: Engine,
) -> None:
    canceled(engine, is_published=True)
    other = canceled(engine, is_published=False)
    housekeeping = PostgresHousekeeping(engine)
    assert [each.order_id for each in housekeeping.unpublished_orders(limit=9)] == [other]
    assert unpublished(engine) == [other]


def test_change_that_comes_while_the_sweep_finds_all_before_it_published_is_left_to_the_next(
    engine: Engine,
) -> None:
    order_id, housekeeping = canceled(engine, is_published=True), PostgresHousekeeping(engine)
    with engine.connect() as another, ThreadPoolExecutor(1) as executor:
        another.execute(text("UPDATE unpublished SET since = clock_timestamp()"))
        found = executor.submit(housekeeping.unpublished_orders, limit=9)
        wait_for_waiting(another, 1)
        another.commit()
        assert found.result() == []
    assert unpublished(engine) == [order_id]


def test_finished_subscriptions_are_forgotten_in_parts_and_no_others(engine: Engine) -> None:
    run(engine, COPIES, status="failed", code="NO_ROUTE", number=FINISHED)
    run(engine, COPIES, status="routing", code=None, number=UNFINISHED)
    run(engine, FOLLOWED)
    every = UUID(int=0)
    run(
        engine,
        "INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)"
        " VALUES ('all', :order_id, 'account 1', true, 0), ('behind', :other, 'account 1', false, 0)",
        order_id=str(every),
        other=str(uuid4()),
    )
    housekeeping = PostgresHousekeeping(engine)
    parts = [housekeeping.forget_finished(limit=1_000) for _ in range(5)]
    # None is looked at twice: many orders that rest keep it from no other.
    assert [part.is_more for part in parts] == [True, True, True, True, False]
    assert all(part.removed <= 1_000 for part in parts)
    assert sum(part.removed for part in parts) == FINISHED
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM subscriptions")).scalar() == UNFINISHED + 2


def test_connection_that_follows_ten_thousand_orders_is_forgotten_in_parts(engine: Engine) -> None:
    store, others = on_postgres(engine), 10
    store.connected("c1", False)
    follow = """
    INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
    SELECT :connection_id, gen_random_uuid(), 'alice', true, 2 FROM generate_series(1, CAST(:number AS int))
    """
    run(engine, follow, connection_id="c1", number=2 * REMOVED_MAX + 1)
    run(engine, follow, connection_id="c2", number=others)
    removed: list[int] = []
    event.listen(engine, "after_cursor_execute", lambda *arguments: removed.append(arguments[1].rowcount))
    store.subscriptions.forget(["c1"])
    assert removed == [REMOVED_MAX, REMOVED_MAX, 1, 1]  # the last one is the connection
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM subscriptions")).scalar() == others
