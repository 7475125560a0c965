"""On which server the record is, as PostgreSQL tells it, and what one that came to another may lack."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.adapters.postgres.order_record import PostgresOrderRecord
from chalicelib.adapters.postgres.servers import HOLDS_S, Doubt, FoundOn, PostgresServers
from chalicelib.adapters.postgres.watches import PostgresWatches
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.rates import Rate
from chalicelib.domain.transactions import SignedTransaction
from chalicelib.domain.triggers import Direction
from chalicelib.domain.watches import BY_MARGINAL_RATE, DirectedPair, Watch
from chalicelib.migrations import upgrade
from chalicelib.migrations.roles import APP_ROLE, grant
from tests.contract.records import LONG_LEASE_MS, SENT, an_attempt, next_transition, on_postgres
from tests.contract.watches import WatchesOnRecord
from tests.fakes.orders import NOON, VIEWS, advanced, an_order
from tests.support.standby import pair

ALL = 1_000
WAITERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Record:
    """A record on a server, whose functions have no rights but their own."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        self.now_s = 0.0
        self.servers = self.another_process()

    def another_process(self) -> PostgresServers:
        return PostgresServers(self.engine, monotonic_s=lambda: self.now_s)

    def found(self) -> FoundOn:
        """Look anew."""
        self.now_s += HOLDS_S
        return self.servers.found()

    def came_from_elsewhere(self) -> None:
        """Be as if what is here was written on another server, as after a dump was restored."""
        self.execute(
            "UPDATE servers SET name = 'elsewhere' WHERE server_id = (SELECT max(server_id) FROM servers)"
        )

    def restored(self) -> None:
        """Drop the table and make it anew with its rows, as ``pg_restore`` does."""
        self.execute("""
            CREATE TABLE restored (LIKE servers INCLUDING ALL);
            INSERT INTO restored SELECT * FROM servers;
            DROP TABLE servers;
            ALTER TABLE restored RENAME TO servers;
            ALTER INDEX restored_pkey RENAME TO servers_pkey
        """)

    def says(self, state: str | None) -> None:
        """Have the server answer with an error where it is asked for its number; None: as it is."""
        drop = "DROP FUNCTION IF EXISTS pg_catalog.pg_control_system()"
        if state is None:
            change = "ALTER FUNCTION pg_catalog.as_it_is() RENAME TO pg_control_system"
        else:
            drop = "ALTER FUNCTION pg_catalog.pg_control_system() RENAME TO as_it_is"
            change = f"""
                CREATE FUNCTION pg_catalog.pg_control_system(OUT system_identifier bigint) LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END $$
            """
        self.execute(f"SET LOCAL allow_system_table_mods = on; {drop}; {change}")
        self.engine.dispose()  # sessions keep their plans of functions that are PostgreSQL's own

    def doubted(self) -> Doubt:
        doubt = self.found().doubt
        assert doubt is not None
        return doubt

    def settled(self) -> None:
        self.servers.note_settled(self.found().server_id)

    def at_rest(self, number: int) -> list[UUID]:
        """Return orders that wait for a price, by id."""
        store = on_postgres(self.engine)
        order_ids = sorted(store.created(an_order()).state.order.order_id for _ in range(number))
        pair_ = DirectedPair(str(uuid4()), str(uuid4()))
        WatchesOnRecord(self.engine).arm(
            [Watch(each, pair_, Direction.AT_LEAST, BY_MARGINAL_RATE, Rate(1, 1), NOON) for each in order_ids]
        )
        return order_ids

    def woken(self) -> list[UUID]:
        return [one.order_id for one in PostgresWatches(self.engine).wake(limit=ALL)]

    def wake(self, *, limit: int) -> int:
        return PostgresHousekeeping(self.engine).wake_doubted(limit=limit)

    def execute(self, statement: str) -> Any:
        with self.engine.begin() as connection:
            result = connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None


@pytest.fixture
def record(make_database: Callable[[], str]) -> Iterator[Record]:
    made = Record(make_database())
    yield made
    made.engine.dispose()


def sent(attempt: str) -> NewOrder:
    state, events = advanced(OrderState(an_order()), *SENT)
    return NewOrder(state, events, None, attempt=an_attempt(signature=attempt))


def test_promoted_standby_is_another_server_that_lacks_what_came_after_the_last_note() -> None:
    with pair() as servers:
        owner = make_engine(servers.primary_url)
        upgrade(owner)
        grant(owner)
        with owner.begin() as connection:
            connection.execute(text(f"CREATE ROLE functions LOGIN IN ROLE {APP_ROLE}"))
        owner.dispose()
        before = Record(make_url(servers.primary_url).set(username="functions").render_as_string(False))
        after = Record(make_url(servers.standby_url).set(username="functions").render_as_string(False))
        assert before.found() == FoundOn(1, None)
        before.wake(limit=ALL)
        noted: datetime = before.execute("SELECT alive_at FROM servers")
        servers.lag()
        with pytest.raises(RetryableError, match="takes no writes"):
            after.found()  # a standby is no other server yet
        before.wake(limit=ALL)
        servers.promote()
        after.wake(limit=ALL)  # before a consumer has noticed, and so no note
        assert after.found() == FoundOn(2, Doubt(2, noted, None, is_settled=False))
        assert after.another_process().found() == after.found()
        # And the checkpoint that is still to come changes nothing.
        servers.ask(servers.standby_url, "CHECKPOINT")
        assert after.found().server_id == 2
        before.engine.dispose()
        after.engine.dispose()


def test_record_that_comes_to_another_server_before_a_consumer_ran_is_doubted_all_the_same(
    record: Record,
) -> None:
    record.came_from_elsewhere()
    assert record.doubted().server_id == 2


def test_owner_who_empties_the_table_has_it_begin_anew(record: Record) -> None:
    record.came_from_elsewhere()
    record.execute("DELETE FROM servers")
    assert record.found() == FoundOn(1, None)


def test_server_that_stays_is_no_other_one(record: Record) -> None:
    assert record.found() == FoundOn(1, None)
    assert record.another_process().found() == FoundOn(1, None)


@pytest.mark.parametrize("state", ["0A000", "55000"])
def test_server_that_tells_no_name_as_auroras_is_one_for_ever(record: Record, state: str) -> None:
    record.says(state)
    record.execute("UPDATE servers SET name = public.server()")
    assert record.execute("SELECT name LIKE 'unknown/%' FROM servers")
    assert record.found() == FoundOn(1, None)
    assert record.found() == FoundOn(1, None)
    record.restored()
    assert record.found().server_id == 2


@pytest.mark.parametrize("state", ["53000", "53200", "58030"])
def test_server_that_cannot_tell_its_name_for_a_moment_is_no_other_one(record: Record, state: str) -> None:
    believed = record.servers.believed()
    on_record = PostgresOrderRecord(record.engine, VIEWS, server=lambda: believed)
    record.says(state)
    new = sent("signed while there are no files to open")
    record.now_s += HOLDS_S
    with pytest.raises(RetryableError, match="did not answer"):
        record.found()
    with pytest.raises(RetryableError, match="did not answer"):
        on_record.create([new], lease_ms=LONG_LEASE_MS)
    record.says(None)
    assert record.found() == FoundOn(1, None)
    assert on_record.create([new], lease_ms=LONG_LEASE_MS) == {new.state.order.order_id}


def test_dump_that_is_restored_on_its_own_server_is_another_record(record: Record) -> None:
    assert record.found() == FoundOn(1, None)
    noted: datetime = record.execute("SELECT alive_at FROM servers")
    record.restored()
    assert record.found() == FoundOn(2, Doubt(2, noted, None, is_settled=False))
    # What moves a table's rows to another file does not make it another one.
    record.execute("CLUSTER servers USING servers_pkey")
    assert record.found().server_id == 2


def test_who_believes_the_record_to_be_elsewhere_records_nothing_signed(record: Record) -> None:
    processes = record.servers, record.another_process()
    for each in processes:
        each.found()
    record.came_from_elsewhere()
    on_record = PostgresOrderRecord(record.engine, VIEWS, server=processes[0].believed)
    new = sent("signed by one that knows nothing of it")
    with pytest.raises(RetryableError, match="another server"):
        on_record.create([new], lease_ms=LONG_LEASE_MS)
    # Nor once another process has noted the new one.
    record.now_s += HOLDS_S
    assert processes[1].found().server_id == 2
    with pytest.raises(RetryableError, match="another server"):
        on_record.create([new], lease_ms=LONG_LEASE_MS)
    assert record.execute("SELECT count(*) FROM orders") == 0
    # What it decides once it knows, it may write down.
    assert processes[0].found().doubt is not None
    assert on_record.create([new], lease_ms=LONG_LEASE_MS) == {new.state.order.order_id}


def test_two_standbys_of_one_primary_that_are_promoted_one_after_the_other_are_told_apart(
    record: Record,
) -> None:
    record.found()
    record.came_from_elsewhere()
    first = record.found()
    on_record = PostgresOrderRecord(record.engine, VIEWS, server=record.servers.believed)
    # Their timelines have the same number. What the second one lacks, another consumer has noted there.
    record.execute("UPDATE servers SET seen_at = clock_timestamp() WHERE server_id = 2")
    with pytest.raises(RetryableError, match="another server"):
        on_record.create([sent("decided on by what the first one had")], lease_ms=LONG_LEASE_MS)
    assert record.found().noted != first.noted


def test_attempt_of_an_order_that_is_on_record_is_refused_likewise(record: Record) -> None:
    record.found()
    on_record = PostgresOrderRecord(record.engine, VIEWS, server=record.servers.believed)
    claimed = on_postgres(record.engine).created(an_order())
    attempt = an_attempt(signature="of an order that is there")
    step = next_transition(claimed, *SENT[2:], attempt=attempt)
    record.came_from_elsewhere()
    with pytest.raises(RetryableError, match="another server"):
        on_record.record([step], lease_ms=LONG_LEASE_MS)
    assert record.execute("SELECT count(*) FROM attempts") == 0
    record.found()
    assert on_record.record([step], lease_ms=LONG_LEASE_MS) == {claimed.state.order.order_id}


def test_record_that_no_sweep_has_noted_yet_lacks_what_came_since_its_server_was_first_seen(
    record: Record,
) -> None:
    record.found()
    first: datetime = record.execute("SELECT alive_at FROM servers")
    record.came_from_elsewhere()
    assert record.doubted().lacks_since == first


def test_record_lacks_what_came_since_the_last_sweep_on_the_server_that_it_was_on_last(
    record: Record,
) -> None:
    record.found()
    for _ in range(2):
        first: datetime = record.execute("SELECT max(alive_at) FROM servers")
        record.wake(limit=ALL)
        noted: datetime = record.execute("SELECT max(alive_at) FROM servers")
        assert first < noted
        record.came_from_elsewhere()
        record.wake(limit=ALL)  # no note: no consumer has noticed
        record.found()
        assert record.execute("SELECT lacks_since FROM servers ORDER BY server_id DESC LIMIT 1") == noted


def test_first_height_that_is_noted_counts_and_the_chain_past_it_settles_all_servers_of_before(
    record: Record,
) -> None:
    record.found()
    for server_id in (2, 3):
        record.came_from_elsewhere()
        assert record.doubted().server_id == server_id
    record.servers.settles_after(3, 1_300)
    record.servers.settles_after(3, 9_999)
    assert (record.doubted().settles_after, record.doubted().is_settled) == (1_300, False)
    record.servers.note_settled(3)
    assert record.doubted().is_settled
    assert (
        record.execute("SELECT count(*) FROM servers WHERE lacks_since < now() AND settled_at IS NULL") == 0
    )


def test_what_is_noted_late_of_the_server_before_settles_no_later_one(record: Record) -> None:
    record.found()
    for _ in range(2):
        record.came_from_elsewhere()
        record.found()
    record.servers.settles_after(2, 1_300)
    record.servers.note_settled(2)
    doubt = record.doubted()
    assert (doubt.server_id, doubt.settles_after, doubt.is_settled) == (3, None, False)


def test_what_rests_is_woken_in_parts_once_all_is_settled_and_then_no_more(record: Record) -> None:
    record.found()
    order_ids = record.at_rest(5)
    assert record.wake(limit=ALL) == 0
    record.came_from_elsewhere()
    record.found()
    assert record.wake(limit=ALL) == 0  # what it sent may land yet
    record.settled()
    assert record.wake(limit=3) == 3
    assert sorted(record.woken()) == order_ids[:3]
    assert record.wake(limit=3) == 2
    assert sorted(record.woken()) == order_ids[3:]
    assert record.wake(limit=3) == 0
    record.at_rest(2)  # what comes later was looked up
    assert (record.wake(limit=3), record.woken()) == (0, [])


def test_what_rests_is_woken_for_each_failover_that_is_in_doubt_and_for_none_before(record: Record) -> None:
    record.found()
    record.at_rest(5)
    for _ in range(2):
        record.came_from_elsewhere()
        record.found()
    record.settled()
    assert [record.wake(limit=3) for _ in range(5)] == [3, 2, 3, 2, 0]


def test_sweep_that_wakes_what_rests_waits_for_a_consumer_that_arms_it_and_never_the_other_way_round(
    record: Record,
) -> None:
    record.found()
    record.came_from_elsewhere()
    record.found()
    record.settled()
    order_ids = record.at_rest(300)
    # Where they are on disk is no order to go by.
    record.execute("CREATE INDEX last_first ON watches (order_id DESC)")
    record.execute("CLUSTER watches USING last_first")
    record.execute("DROP INDEX last_first")
    record.execute("ANALYZE watches")
    lock = "SELECT FROM watches WHERE order_id = '{}' FOR UPDATE NOWAIT"
    with ThreadPoolExecutor(1) as beside, record.engine.connect() as consumer:
        consumer.execute(text(lock.format(order_ids[0])))
        woken = beside.submit(record.wake, limit=ALL)
        while not record.execute(WAITERS):
            assert not woken.done()
        consumer.execute(text(lock.format(order_ids[-1])))
        consumer.commit()
        assert woken.result() == len(order_ids)


def test_orders_are_looked_up_for_a_day_after_all_that_rested_was_woken(record: Record) -> None:
    record.found()
    record.came_from_elsewhere()
    record.found()
    record.settled()
    record.execute("UPDATE servers SET seen_at = now() - interval '9 days'")
    assert record.found().doubt is not None  # while something is yet to be woken
    record.wake(limit=ALL)
    record.execute("UPDATE servers SET woken_at = woken_at - interval '23 hours' WHERE server_id = 2")
    assert record.found().doubt is not None
    record.execute("UPDATE servers SET woken_at = woken_at - interval '2 hours' WHERE server_id = 2")
    assert record.found() == FoundOn(2, None)


def test_failover_after_a_failover_doubts_what_either_may_lack(record: Record) -> None:
    record.found()
    record.came_from_elsewhere()
    first = record.doubted().lacks_since
    record.settled()
    record.wake(limit=ALL)
    record.came_from_elsewhere()
    assert first < record.execute("SELECT max(alive_at) FROM servers")
    assert record.doubted() == Doubt(3, first, None, is_settled=False)


def test_transaction_is_of_a_server_before_until_nothing_of_there_can_land(record: Record) -> None:
    record.came_from_elsewhere()
    signed = SignedTransaction("signature", b"", last_valid_height=300)
    assert record.doubted().is_of_before(signed)
    record.servers.settles_after(2, 300)
    assert record.doubted().is_of_before(signed)
    assert not record.doubted().is_of_before(replace(signed, last_valid_height=301))
