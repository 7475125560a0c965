"""How the server reaches rows: of tables that were as good as empty when it planned, and of large ones."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from chalicelib.adapters.postgres.claims import _REFUSED_AT
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.event_chain import EVENTS
from chalicelib.adapters.postgres.order_record import _RECORD, _STEPS
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.postgres.watches import _RESEND, _WAKE
from chalicelib.domain.statuses import OrderStatus
from tests.fakes.orders import terms
from tests.integration.consumer import Consumer
from tests.support.postgres_server import PATIENCE_S

_NOTHING = "SELECT"
_PARAMETERS = _STEPS.parameters([]) | EVENTS.parameters([], data=[]) | {"server": ""}


def test_orders_are_moved_on_by_key_when_the_plan_was_made_of_an_empty_table(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1, time_limit_s=PATIENCE_S)
    sql, _ = _RECORD.written_for(engine.dialect, _PARAMETERS)
    with engine.connect() as connection:
        # As a migration sets it for a database; copies of one, as tests have them, are without it.
        connection.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
        explained = connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {sql}").scalars().all()
    engine.dispose()
    plan = "\n".join(explained)
    assert "Index Scan using orders_pkey on orders" in plan
    assert "Seq Scan on orders" not in plan


_A_YEAR_OF_ORDERS = """
SET session_replication_role = replica;
INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,
    quoted_out_units, threshold_units, fence, outcome, resolved_at, alive)
SELECT n::text, md5(n::text)::uuid, 1, '', 1, 1, 1, 1, 1,
    CASE n % 50 WHEN 0 THEN 'refused' ELSE 'landed' END, now(), CASE n % 50 WHEN 0 THEN NULL ELSE true END
FROM generate_series(1, 20000) AS n;
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT md5(n::text)::uuid, seq, CASE seq WHEN 2 THEN 'open' ELSE 'routed' END, 1, now(), '{}'
FROM generate_series(1, 20000) AS n, generate_series(1, 6) AS seq;
ANALYZE attempts;
ANALYZE order_events
"""


@pytest.mark.parametrize("prepared", [_NOTHING, _A_YEAR_OF_ORDERS], ids=["empty", "filled"])
def test_what_was_refused_of_few_orders_is_found_by_their_keys(database_url: str, prepared: str) -> None:
    engine = make_engine(database_url, pool_size=1, time_limit_s=PATIENCE_S)
    sql, _ = _REFUSED_AT.written_for(engine.dialect, {"order_ids": [uuid4()]})
    with engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
        for statement in prepared.split(";"):
            connection.exec_driver_sql(statement)
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {sql}").scalars().all())
        connection.rollback()
    engine.dispose()
    assert "Seq Scan" not in plan


_ROWS_READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'watches'
"""
_ARMED = """
SET session_replication_role = replica;
INSERT INTO watch_pairs (input_token, output_token) VALUES ('IN', 'OUT');
INSERT INTO watches (order_id, accepted_at, wake_at, since_height, pair_id, look, armed, direction,
    rate_out, rate_in, wake_key)
SELECT gen_random_uuid(), now(), now() + interval '1 day', 0, pair_id, 0, true, 'at_least', 1, 1, 1
FROM watch_pairs, generate_series(1, 1000)
"""
_FIRED = "UPDATE watches SET armed = false, fired_at = now(), sent_at = now(), fired_by = 'time'"


@pytest.mark.parametrize(
    ("changed", "due", "parameters"),
    [
        (_NOTHING, _WAKE, {"limit": 100}),
        (_FIRED, _RESEND, {"limit": 100, "unclaimed_for_ms": 30_000}),
    ],
    ids=["by time", "sent again"],
)
def test_looking_for_what_is_due_reads_nothing_that_is_not(
    database_url: str, changed: str, due: Statement, parameters: dict[str, int]
) -> None:
    """Of a thousand watches whose time has not come, none is read; all would be, each second."""
    engine = make_engine(database_url, pool_size=1, time_limit_s=PATIENCE_S)
    sql, values = due.written_for(engine.dialect, parameters)
    with engine.connect() as connection:
        for statement in (*_ARMED.split(";"), changed, "ANALYZE watches"):
            connection.exec_driver_sql(statement)
        # What the session read before may not have been handed in yet, and is counted with it.
        before = connection.exec_driver_sql(_ROWS_READ).scalar_one()
        connection.exec_driver_sql(sql, tuple(values))
        read = connection.exec_driver_sql(_ROWS_READ).scalar_one() - before
        connection.rollback()
    engine.dispose()
    assert read < 10  # the planner itself looks at the ends of an index


_PLANNED_WITH_ITS_PARAMETERS = Statement(
    "SELECT statement FROM pg_prepared_statements WHERE custom_plans > 5 AND generic_plans = 0"
)


def _price_random_pages(connection: Any, _record: object) -> None:
    connection.cursor().execute("SET random_page_cost = 1.1")
    connection.commit()


def test_no_statement_of_an_order_by_itself_is_planned_for_each_order(consumer: Consumer) -> None:
    """The server plans one so whose general plan it takes to be dearer, as if a list had ten ids."""
    engine = consumer.services.engine
    engine.dispose()
    event.listen(engine, "connect", _price_random_pages)
    for n in range(8):
        wish = terms(client_order_id=f"planned {n}")
        order_id = consumer.services.submit_orders.submit(wish, "local").order_id
        consumer.run()
        assert consumer.status(order_id) is OrderStatus.CONFIRMED
    assert Database(engine).execute(_PLANNED_WITH_ITS_PARAMETERS) == []
