"""Ordered pairs of tokens: they never run out of numbers; one goes when no order waits for it, not before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres import housekeeping
from chalicelib.adapters.postgres.error_translation import sqlstate
from chalicelib.adapters.postgres.housekeeping import (
    IDLE_PAIRS_KEPT,
    MARKS_RECENT_BLOCKS,
    PostgresHousekeeping,
)
from chalicelib.adapters.postgres.watches import _ARMED
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.rates import Rate
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_MARGINAL_RATE, DirectedPair, SeenPrice, Watch
from chalicelib.services.recovery.sweeper import Forgotten
from tests.contract.records import on_postgres
from tests.contract.waiting import wait_for_waiting
from tests.contract.watches import WatchesOnRecord
from tests.fakes.orders import NOON, an_order

ALL = 10_000
MANY = text("""
INSERT INTO watch_pairs (input_token, output_token)
SELECT 'idle ' || n, gen_random_uuid()::text FROM generate_series(1, CAST(:number AS int)) AS n
""")
KNOWN = text("SELECT count(*) FROM watch_pairs WHERE (input_token, output_token) = (:input, :output)")


class Stage:
    """A database in which more pairs are idle than are kept."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.watches, self.store = engine, WatchesOnRecord(engine), on_postgres(engine)
        self.housekeeping = PostgresHousekeeping(engine)
        self.idle(IDLE_PAIRS_KEPT + 1)

    def idle(self, number: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(MANY, {"number": number})

    def watch(self) -> Watch:
        """Return a watch, not armed yet, of an order on record and a pair that no other one has."""
        order_id = self.store.created(an_order()).state.order.order_id
        pair = DirectedPair(str(uuid4()), str(uuid4()))
        return Watch(order_id, pair, Direction.AT_LEAST, BY_MARGINAL_RATE, Rate(1, 1), NOON)

    def armed(self) -> Watch:
        watch = self.watch()
        self.watches.arm([watch])
        return watch

    def fires(self, watch: Watch) -> bool:
        price = SeenPrice(watch.pair, Direction.AT_LEAST, BY_MARGINAL_RATE, Rate(2, 1), 9, 9)
        return [one.order_id for one in self.watches.fire([price], limit=9)] == [watch.order_id]

    def knows(self, pair: DirectedPair) -> bool:
        with self.engine.connect() as connection:
            return bool(connection.execute(KNOWN, {"input": pair[0], "output": pair[1]}).scalar_one())


@pytest.fixture
def stage(contract_engine: Engine) -> Stage:
    return Stage(contract_engine)


@pytest.fixture
def other(contract_engine: Engine) -> Iterator[Connection]:
    """Another function's connection, whose transaction is open."""
    with contract_engine.connect() as connection:
        yield connection


def test_order_on_a_pair_whose_number_is_beyond_a_smallint_is_watched_for(stage: Stage) -> None:
    with stage.engine.begin() as connection:
        connection.execute(text("ALTER SEQUENCE watch_pairs_pair_id_seq RESTART WITH 2000000000"))
    watch = stage.armed()
    marks = stage.watches.observe(100, {watch.pair: Decimal(2)}, keep=3)
    assert [mark.high for mark in marks[watch.pair]] == [2]
    assert watch.pair in {found.pair for found in stage.watches.armed()}
    assert stage.fires(watch)


def test_pairs_go_that_nothing_refers_to_and_no_others(stage: Stage) -> None:
    armed, fired, gone = stage.armed(), stage.armed(), stage.armed()
    assert stage.fires(fired)
    stage.watches.disarm([gone.order_id])
    marked, long_ago = (DirectedPair(str(uuid4()), "USDC") for _ in range(2))
    stage.watches.observe(10**9, {long_ago: Decimal(1)}, keep=3)
    stage.watches.observe(10**9 + 2 * MARKS_RECENT_BLOCKS, {marked: Decimal(1)}, keep=3)
    forgotten = stage.housekeeping.forget_pairs(limit=ALL)
    assert forgotten.removed >= IDLE_PAIRS_KEPT + 3
    assert not forgotten.is_more
    kept = [stage.knows(pair) for pair in (armed.pair, fired.pair, marked, gone.pair, long_ago)]
    assert kept == [True, True, True, False, False]
    seen = stage.watches.observe(10**9 + 2 * MARKS_RECENT_BLOCKS + 1, {marked: Decimal(2)}, keep=3)
    assert [mark.high for mark in seen[marked]] == [1, 2]
    assert stage.fires(armed)
    assert stage.watches.fired(fired.order_id) is not None


def test_pairs_go_in_parts_and_a_few_stay(stage: Stage) -> None:
    stage.housekeeping.forget_pairs(limit=ALL)
    stage.idle(IDLE_PAIRS_KEPT)
    assert stage.housekeeping.forget_pairs(limit=ALL) == Forgotten(0, is_more=False)
    stage.idle(30)
    assert stage.housekeeping.forget_pairs(limit=20) == Forgotten(20, is_more=True)
    assert stage.housekeeping.forget_pairs(limit=ALL).removed == IDLE_PAIRS_KEPT + 10


def test_pair_that_is_forgotten_and_waited_for_again_has_another_number(stage: Stage) -> None:
    watch = stage.armed()
    stage.watches.disarm([watch.order_id])
    stage.housekeeping.forget_pairs(limit=ALL)
    assert not stage.knows(watch.pair)
    stage.watches.arm([watch])
    assert stage.fires(watch)


def test_pair_stays_that_is_just_being_waited_for(
    stage: Stage, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep comes when the order's transaction has found the pair and has not armed the watch yet."""
    monkeypatch.setattr(housekeeping, "PAIRS_LOCK_WAIT_MS", 0)  # as long as it takes
    watch = stage.armed()
    stage.watches.disarm([watch.order_id])
    with ThreadPoolExecutor(2) as executor:
        other.execute(text("LOCK TABLE watches IN EXCLUSIVE MODE"))
        armed = executor.submit(stage.watches.arm, [watch])
        wait_for_waiting(other, 1)
        forgotten = executor.submit(stage.housekeeping.forget_pairs, limit=ALL)
        wait_for_waiting(other, 2)
        other.rollback()
        armed.result()
        assert forgotten.result().removed > IDLE_PAIRS_KEPT
    assert stage.fires(watch)


def test_pair_is_numbered_anew_by_what_comes_while_it_goes(stage: Stage, other: Connection) -> None:
    """The other way round: the order's transaction begins when the sweep has the lock."""
    watch = stage.armed()
    stage.watches.disarm([watch.order_id])
    with ThreadPoolExecutor(1) as executor:
        other.execute(text("LOCK TABLE watch_pairs IN EXCLUSIVE MODE"))
        armed = executor.submit(stage.watches.arm, [watch])
        wait_for_waiting(other, 1)
        other.execute(text("DELETE FROM watch_pairs WHERE input_token = :token"), {"token": watch.pair[0]})
        other.commit()
        armed.result()
    assert stage.fires(watch)


def test_pair_that_another_transaction_is_just_adding_is_watched_once_that_has_ended(
    stage: Stage, other: Connection
) -> None:
    watch = stage.watch()
    with ThreadPoolExecutor(1) as executor:
        adding = text("INSERT INTO watch_pairs (input_token, output_token) VALUES (:input, :output)")
        other.execute(adding, {"input": watch.pair[0], "output": watch.pair[1]})
        armed = executor.submit(stage.watches.arm, [watch])
        wait_for_waiting(other, 1)
        other.commit()
        armed.result()
    assert stage.fires(watch)


def test_sweep_gives_up_while_others_arm_watches_and_takes_up_later_what_it_left(
    stage: Stage, other: Connection
) -> None:
    other.execute(text("LOCK TABLE watch_pairs IN ROW EXCLUSIVE MODE"))
    assert stage.housekeeping.forget_pairs(limit=ALL) == Forgotten(0, is_more=False)
    other.rollback()
    assert stage.housekeeping.forget_pairs(limit=ALL).removed > IDLE_PAIRS_KEPT


def test_sweep_of_a_record_that_takes_no_writes_says_so(stage: Stage) -> None:
    standby = stage.engine.execution_options(postgresql_readonly=True)
    with pytest.raises(RetryableError, match="takes no writes"):
        PostgresHousekeeping(standby).forget_pairs(limit=ALL)


def test_pair_of_a_watch_cannot_be_deleted_by_hand(stage: Stage) -> None:
    watch = stage.armed()
    delete = text("DELETE FROM watch_pairs WHERE input_token = :token")
    with pytest.raises(DBAPIError) as refused, stage.engine.begin() as connection:
        connection.execute(delete, {"token": watch.pair[0]})
    assert sqlstate(refused.value) == "23503"
    assert stage.fires(watch)


def test_look_reads_of_all_pairs_those_that_something_is_armed_for(stage: Stage) -> None:
    stage.idle(2_000)
    watch = stage.armed()
    sql, _ = _ARMED.written_for(stage.engine.dialect, {})
    with stage.engine.begin() as connection:
        connection.execute(text("ANALYZE watch_pairs"))
        plan = connection.exec_driver_sql(f"EXPLAIN {sql}").scalars().all()
    assert [line for line in plan if "Scan on watch_pairs" in line] == []
    assert watch.pair in {found.pair for found in stage.watches.armed()}
    stage.housekeeping.forget_pairs(limit=ALL)
