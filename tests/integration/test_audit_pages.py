"""An audit that goes through the record page by page reads each order once, however many pages there are."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.published_slots import check_published_slots
from chalicelib.adapters.solana.chain_audit import _pages
from chalicelib.domain.statuses import OrderStatus
from chalicelib.prepare import prepare
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order

ORDERS = 4_000
"""Pages of the audits have a thousand, or fifty."""

_FILL = """
CREATE TEMPORARY TABLE copies ON COMMIT DROP AS
    SELECT jsonb_build_object('order_id', md5(i::text)::uuid, 'client_order_id', i, 'tx_signature', i) AS own
    FROM generate_series(1, $orders) i;
CREATE FUNCTION pg_temp.copy(name text, wanted text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE columns text;
    BEGIN
        SELECT string_agg(column_name, ', ') INTO columns FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name = name AND is_generated = 'NEVER';
        EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM (SELECT (jsonb_populate_record(row, own)).*
            FROM %I row, copies WHERE %s) made', name, columns, columns, name, wanted);
    END $$;
SET LOCAL session_replication_role = replica;
SELECT pg_temp.copy('order_events', 'seq = (SELECT seq FROM orders)');
SELECT pg_temp.copy('orders', 'true');
INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,
        quoted_out_units, threshold_units, alive, fence)
    SELECT own ->> 'tx_signature', CAST(own ->> 'order_id' AS uuid), 1, '', 1, 1, 1, 1, true, 1 FROM copies;
"""
_READ = text("""
    SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint FROM pg_stat_xact_user_tables
    WHERE relname = 'orders'
""")


@pytest.fixture
def filled(database_url: str) -> Iterator[Engine]:
    prepare(database_url)
    engine = make_engine(database_url)
    order, store = an_order(), on_postgres(engine)
    store.moved(store.begun(order)[order.order_id], OrderStatus.CONFIRMED)
    with engine.begin() as connection:
        connection.exec_driver_sql(_FILL.replace("$orders", str(ORDERS)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    "run",
    [check_published_slots, lambda connection: _pages(connection, "simulated")],
    ids=["slots", "chain"],
)
def test_each_order_is_read_once(filled: Engine, run: Callable[[Connection], Iterable[object]]) -> None:
    with filled.begin() as connection:
        connection.execute(text("SET LOCAL random_page_cost = 1.1"))
        list(run(connection))
        read = connection.execute(_READ).scalar_one()

    assert ORDERS <= read < 2 * ORDERS
