"""What is asked for costs what it is, whatever lies beside it: counted in the rows that the server reads.

Statements are planned for any values, as sessions that keep their statements come to do.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, event, text

from chalicelib.adapters.postgres.cancels import CANCEL_COVERED, at_parameters
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.adapters.postgres.operations import _UNFINISHED, PostgresOperations
from chalicelib.adapters.postgres.order_queries import PostgresOrderQueries
from chalicelib.adapters.postgres.statements import Database
from chalicelib.adapters.simulated_market.evidence import check_signatures
from chalicelib.adapters.simulated_market.published_slots import check_published_slots
from chalicelib.adapters.solana.day_spending import DaySpending
from chalicelib.adapters.solana.found_pools import _NEWEST
from chalicelib.adapters.solana.spending import Spend, SpendCaps
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.queries.operations import UNFINISHED_MAX
from chalicelib.services.recovery.turns import Rest
from infra.cli.orders import newest

DEEP = 2_000
"""Rows of each kind that nobody asks for; so many more were read of each."""
LEFT = 4
"""Accounts that left something behind."""
LIMIT = 10
READ_MAX = 100
"""The planner itself looks at the ends of indexes, and a page's rows are read from two tables."""

_SESSION = (
    # As migrations set it for a database; copies of one, as tests have them, are without it.
    "SET random_page_cost = 1.1",
    "SET enable_seqscan = off",
    "SET plan_cache_mode = force_generic_plan",
)
# Ten orders were filled long ago, the others of the same account were canceled since or rest.
_FILL = f"""
SET LOCAL session_replication_role = replica;
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, accepted_at, valid_until, content_sha256, status, seq, attempt, fence, lease_until,
    time_in_force, limit_terms, told_seq, tx_signature, input_units, output_units)
SELECT gen_random_uuid(), 'deep', 'limit', 'exact_in', 'SOL', 'USDC', 9, 'SOL', moment, moment,
    repeat('0', 64), status, 1, 1, 1, moment, 'gtd',
    '{{"price": "1", "rate": {{"output_units": 1, "input_units": 1}}}}', 1,
    CASE status WHEN 'confirmed' THEN md5(n::text) END, CASE status WHEN 'confirmed' THEN 9 END,
    CASE status WHEN 'confirmed' THEN 9 END
FROM (SELECT n, now() - interval '1 day' + n * interval '1 s' AS moment,
          CASE WHEN n <= 10 THEN 'confirmed' WHEN n % 2 = 0 THEN 'canceled' ELSE 'open' END AS status
      FROM generate_series(1, {DEEP}) AS n) AS made;
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt, fence,
    lease_until, time_in_force)
VALUES ('00000000-0000-7000-8000-000000000001', 'marks', 'market', 'exact_in', 'SOL', 'USDC', 9, 'SOL', 50,
    now() + interval '1 s', now() + interval '9 s', repeat('0', 64), 'routing', 1, 1, 1, now(), 'ioc');
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt, fence,
    lease_until, time_in_force)
SELECT gen_random_uuid(), 'left ' || n % {LEFT}, 'market', 'exact_in', 'SOL', 'USDC', 9, 'SOL', 50, now(),
    now(), repeat('0', 64), 'routing', 1, 1, 1, now() - interval '1 hour', 'ioc'
FROM generate_series(1, {DEEP}) AS n;
INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to, updated_at)
SELECT 'c=', order_id, account_id, false, 1, now() - interval '1 hour'
FROM orders WHERE account_id <> 'marks' AND status = 'routing';
INSERT INTO unpublished (order_id, account_id, since)
SELECT order_id, account_id, now() + interval '1 hour' FROM orders WHERE status = 'routing';
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT order_id, seq, status, attempt, accepted_at, '{{}}' FROM orders;
INSERT INTO dead_letters (message_id, body, receive_count, reason, archived_at)
SELECT n::text, '', 1, '', now() - n * interval '1 s' FROM generate_series(1, {DEEP}) AS n;
INSERT INTO connections (connection_id, account_id, expires_at)
SELECT n::text, 'account', now() + interval '1 hour' FROM generate_series(1, {DEEP}) AS n;
INSERT INTO cancel_marks (account_id, base, quote, types, accepted_until)
SELECT 'marks', n::text, '', '', now() FROM generate_series(1, {DEEP}) AS n;
INSERT INTO spending (order_id, day, token, units)
SELECT order_id, (now() AT TIME ZONE 'UTC')::date, 'SOL', 9 FROM orders WHERE status = 'canceled';
INSERT INTO found_pools (address, venue, token_0, token_1, found_at)
SELECT repeat('p', 32) || n, 'raydium', 'SOL', repeat('m', 32) || n, now() - n * interval '1 s'
FROM generate_series(1, {DEEP}) AS n;
INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt, input_units,
    output_units, legs, landed_at)
SELECT 'signature ' || n, 1, 1, '', NULL, 1, 1, 1, '[]', now() FROM generate_series(1, {DEEP}) AS n;
INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,
    quoted_out_units, threshold_units, fence, outcome, resolved_at)
SELECT tx_signature, order_id, 1, '', 1, 1, 1, 1, 1, 'landed', now() FROM orders WHERE status = 'confirmed';
"""  # noqa: S608  # constants of this module
_READ = text("""
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables
""")


@pytest.fixture(scope="module")
def deep(make_database: Callable[[], str]) -> Iterator[Engine]:
    engine = make_engine(make_database(), pool_size=1)
    with engine.begin() as connection:
        for statement in _FILL.split(";\n"):
            connection.exec_driver_sql(statement)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        # Else the server may count what this session read when it has ended, beside the first test's rows.
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    engine.dispose()
    event.listen(engine, "connect", _set)
    yield engine
    engine.dispose()


def _set(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for statement in _SESSION:
        cursor.execute(statement)
    connection.commit()


def read_by(engine: Engine, call: Callable[[], object]) -> int:
    """Return how many rows the server reads for a call."""
    before = _read(engine)
    call()
    return _read(engine) - before


def _read(engine: Engine) -> int:
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        return int(connection.execute(_READ).scalar_one())


@pytest.mark.parametrize("status", [None, *OrderStatus], ids=str)
def test_page_of_one_status_reads_no_order_of_another(deep: Engine, status: OrderStatus | None) -> None:
    queries = PostgresOrderQueries(deep)

    def page() -> None:
        found = queries.page("deep", status=status, limit=LIMIT, before=None)
        there = {None, OrderStatus.CONFIRMED, OrderStatus.CANCELED, OrderStatus.OPEN}
        assert len(found) == (LIMIT if status in there else 0)

    assert read_by(deep, page) < READ_MAX


@pytest.mark.parametrize(
    "status", [None, OrderStatus.CONFIRMED, OrderStatus.OPEN, OrderStatus.ROUTING], ids=str
)
def test_newest_orders_of_all_accounts_are_found_among_each_ones_newest(
    deep: Engine, status: OrderStatus | None
) -> None:
    def read() -> None:
        with deep.connect() as connection:
            found = [row["accepted_at"] for row in newest(connection, status, None, LIMIT)]
        assert found == sorted(found, reverse=True)
        assert len(found) == LIMIT

    accounts = LEFT + 2
    assert read_by(deep, read) < 2 * READ_MAX + accounts * LIMIT


@pytest.mark.parametrize(
    "status", [None, OrderStatus.OPEN, OrderStatus.CANCELED, OrderStatus.PENDING], ids=str
)
def test_later_page_reads_none_of_those_before_it(deep: Engine, status: OrderStatus | None) -> None:
    queries, before = PostgresOrderQueries(deep), datetime.now(UTC) - timedelta(hours=23.8)
    page = lambda: queries.page("deep", status=status, limit=LIMIT, before=(before, UUID(int=0)))  # noqa: E731
    assert read_by(deep, page) < READ_MAX


def test_later_page_of_dead_letters_reads_none_of_those_before_it(deep: Engine) -> None:
    operations, before = PostgresOperations(deep), datetime.now(UTC) - timedelta(seconds=DEEP / 2)
    assert read_by(deep, lambda: operations.dead_letters(limit=LIMIT, before=(before, ""))) < READ_MAX


def test_count_of_unfinished_orders_reads_no_more_than_it_counts(deep: Engine) -> None:
    counts = text(_UNFINISHED.text.replace(str(UNFINISHED_MAX), str(LIMIT)))

    def count() -> None:
        with deep.connect() as connection:
            assert sum(row.number for row in connection.execute(counts)) == LIMIT

    assert read_by(deep, count) < READ_MAX


def test_looking_for_connections_past_their_time_reads_no_others(deep: Engine) -> None:
    housekeeping = PostgresHousekeeping(deep)
    assert read_by(deep, lambda: housekeeping.expired_connections(limit=LIMIT)) < READ_MAX


def test_part_of_what_the_sweep_takes_up_reads_no_other_part_of_it(deep: Engine) -> None:
    housekeeping, rest = PostgresHousekeeping(deep), Rest()
    for _ in range(3):
        part = housekeeping.stranded_orders(rest, limit=LIMIT)
        assert part.rest is not None
        rest = part.rest

    def take() -> None:
        assert len(housekeeping.stranded_orders(rest, limit=LIMIT).found) == 2 * LEFT
        assert len(housekeeping.subscriptions_behind(Rest(), limit=LIMIT).found) == 2 * LEFT

    assert read_by(deep, take) < READ_MAX


def test_looking_for_what_may_not_be_published_reads_nothing_that_was_named_a_moment_ago(
    deep: Engine,
) -> None:
    housekeeping = PostgresHousekeeping(deep)
    assert read_by(deep, lambda: housekeeping.unpublished_orders(limit=LIMIT)) < READ_MAX


def test_order_is_compared_with_no_cancel_of_all_from_before_it(deep: Engine) -> None:
    """Of as many tokens as an account likes to name."""
    order_id = UUID("00000000-0000-7000-8000-000000000001")
    asked = {"order_ids": [order_id], "server": ""} | at_parameters(datetime.now(UTC))
    database = Database(deep)
    assert read_by(deep, lambda: database.execute(CANCEL_COVERED, asked)) < READ_MAX


def test_what_a_day_has_spent_is_not_added_up_anew_for_each_order(deep: Engine) -> None:
    spending = DaySpending(deep, {"SOL": SpendCaps(10, 100)}, is_demanded=True)
    spending.reserve([Spend(uuid4(), "SOL", 1)])
    assert read_by(deep, lambda: spending.reserve([Spend(uuid4(), "SOL", 1)])) < READ_MAX


@pytest.mark.parametrize("named", [[], ["m" * 32 + "7"]], ids=["none", "one"])
def test_pools_that_were_found_are_read_as_far_as_they_are_new_or_named(
    deep: Engine, named: list[str]
) -> None:
    def read() -> None:
        with deep.connect() as connection:
            asked = {"traded_for_s": 60, "most": LIMIT, "named": named}
            assert len(connection.execute(_NEWEST, asked).all()) == LIMIT + len(named)

    assert read_by(deep, read) < READ_MAX


@pytest.mark.parametrize(
    ("check", "orders_read"),
    [(check_published_slots, 2 * DEEP), (lambda connection: check_signatures(connection, None), 0)],
    ids=["slots", "signatures"],
)
def test_audit_reads_of_the_ledger_what_its_page_is_about(
    deep: Engine, check: Callable[[Connection], Iterable[object]], orders_read: int
) -> None:
    def run() -> None:
        with deep.begin() as connection:
            connection.execute(text("SET LOCAL enable_seqscan = on"))
            list(check(connection))

    assert read_by(deep, run) < orders_read + DEEP / 2
