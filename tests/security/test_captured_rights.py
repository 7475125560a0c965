"""What its rights refuse a captured function."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import sqlstate
from chalicelib.migrations.roles import APP_ROLE
from tests.security.captured import Exchange

PERMISSION_DENIED = "42501"


REFUSED = [
    # The record: terms, ownership, times that the database writes, history.
    "UPDATE orders SET account_id = 'mallory'",
    "UPDATE orders SET amount_units = amount_units * 2",
    "UPDATE orders SET order_id = gen_random_uuid()",
    "UPDATE orders SET slippage_bps = 10000",
    "UPDATE orders SET valid_until = 'infinity'",
    "UPDATE orders SET accepted_at = now()",
    "UPDATE orders SET client_order_id = 'x'",
    "UPDATE orders SET output_token = 'BONK'",
    "UPDATE orders SET recorded_at = now()",
    "UPDATE orders SET output_units = 1 WHERE status = 'confirmed'",
    (
        "UPDATE orders SET status = 'failed', failure_code = 'X', input_units = NULL, output_units = NULL"
        " WHERE status = 'confirmed'"
    ),
    "UPDATE orders SET status = 'canceled' WHERE status = 'submitted'",
    "DELETE FROM orders",
    "TRUNCATE orders CASCADE",
    "INSERT INTO orders (order_id, recorded_at) VALUES (gen_random_uuid(), now())",
    "INSERT INTO orders (order_id, input_units, output_units) VALUES (gen_random_uuid(), 1, 1)",
    # What prices an order is compared with.
    "UPDATE watch_pairs SET input_token = 'BONK'",
    "UPDATE order_events SET data = '{}'",
    "UPDATE order_events SET chain = NULL",
    "DELETE FROM order_events",
    "TRUNCATE order_events",
    "INSERT INTO order_events (order_id, recorded_at) SELECT order_id, now() FROM orders",
    "UPDATE attempts SET payload = ''",
    "UPDATE attempts SET signature = 'x'",
    "UPDATE attempts SET threshold_units = 1",
    "UPDATE attempts SET outcome = 'dead' WHERE outcome = 'landed'",
    "DELETE FROM attempts",
    "INSERT INTO attempts (signature, outcome) VALUES ('x', 'landed')",
    "INSERT INTO attempts (signature, signed_at) VALUES ('x', now())",
    "UPDATE client_order_keys SET content_sha256 = ''",
    "DELETE FROM client_order_keys",
    "UPDATE dead_letters SET body = ''",
    "DELETE FROM dead_letters",
    "INSERT INTO dead_letters (message_id, archived_at) VALUES ('x', now())",
    "UPDATE subscriptions SET account_id = 'mallory'",
    "UPDATE subscriptions SET connection_id = 'mine'",
    "UPDATE connections SET account_id = 'mallory'",
    "UPDATE alembic_version SET version_num = '0'",
    "DELETE FROM alembic_version",
    # Money.
    "INSERT INTO market.wallets VALUES ('mine', 'SOL', 1)",
    "UPDATE market.wallets SET address = 'mine'",
    "DELETE FROM market.wallets",
    (
        "INSERT INTO market.supply VALUES ('SOL', 1)"
        " ON CONFLICT (token) DO UPDATE SET issued = supply.issued + 1"
    ),
    "UPDATE market.supply SET issued = issued + 1",
    "INSERT INTO market.issues (place, token, units, reason) VALUES ('mine', 'SOL', 1, 'faucet')",
    "UPDATE market.issues SET units = 1",
    "DELETE FROM market.issues",
    "UPDATE market.faucet SET units = units * 1000",
    "INSERT INTO market.faucet VALUES ('MINE', 1)",
    "DELETE FROM market.openings",
    "UPDATE market.openings SET state = '{}'",
    "SELECT market.note_openings('[\"raydium-cpmm-SOL-USDC-25\"]', 1)",
    "INSERT INTO market.pools VALUES ('mine', 'raydium', 'cpmm', 'SOL', 'USDC', '{}', 1)",
    "UPDATE market.pools SET kind = 'clmm'",
    "DELETE FROM market.pools",
    "INSERT INTO market.bins SELECT pool_id, 1, 1, 1, 1 FROM market.pools",
    "UPDATE market.ticks SET liquidity_net = 0",
    "DELETE FROM market.vaults",
    "UPDATE market.vaults SET token = 'SOL'",
    "UPDATE market.transactions SET output_units = 1",
    "DELETE FROM market.transactions",
    (
        "INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt, input_units,"
        " output_units, legs, landed_at) VALUES ('x', 1, 1, 'alice', NULL, 1, 1, 1, '[]', now())"
    ),
    "INSERT INTO market.transactions (signature, ordinal) OVERRIDING SYSTEM VALUE VALUES ('x', 1)",
    "UPDATE market.mempool SET payload = ''",
    "UPDATE market.chain SET clock_offset = '1 day'",
    "UPDATE market.chain SET epoch = epoch + 1",
    "UPDATE market.faults SET settings = '{}'",
    # The schema, and names that would be looked up before ours.
    "DROP TABLE orders CASCADE",
    "ALTER TABLE orders DISABLE TRIGGER ALL",
    "ALTER TABLE market.transactions DISABLE ROW LEVEL SECURITY",
    "DROP POLICY ordered_ones_land ON market.transactions",
    "DROP TRIGGER events_stay ON order_events",
    (
        "CREATE OR REPLACE FUNCTION market.now() RETURNS timestamptz LANGUAGE sql"
        " AS 'SELECT ''infinity''::timestamptz'"
    ),
    (
        "CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'"
    ),
    "ALTER FUNCTION market.open_wallets SECURITY INVOKER",
    "CREATE TABLE public.mine (id int)",
    "CREATE TABLE market.mine (id int)",
    "CREATE TEMP TABLE orders (id int)",
    "CREATE TEMP VIEW orders AS SELECT 1",
    "CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''infinity''::timestamptz'",
    "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
    "CREATE SCHEMA mine",
    "CREATE PUBLICATION mine FOR ALL TABLES",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION public.refuse_change()",
    # Other roles, and what is outside the database.
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "CREATE ROLE another",
    f"ALTER ROLE {APP_ROLE} SUPERUSER",
    "GRANT {owner} TO CURRENT_USER",
    "GRANT pg_read_all_data TO CURRENT_USER",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "COPY orders TO '/tmp/orders'",
    "COPY order_events (order_id) FROM '/etc/passwd'",
    "COPY orders TO PROGRAM 'cat'",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SET log_statement = 'all'",
    "SET log_min_error_statement = 'panic'",
    "SET session_replication_role = replica",
    "SET session_preload_libraries = 'mine'",
    "LOAD 'mine'",
    "SELECT pg_reload_conf()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{owner}'",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_statement_beyond_the_functions_rights_is_refused(exchange: Exchange, statement: str) -> None:
    statement = statement.replace("{owner}", str(exchange.owner.url.username))
    engine = exchange.app.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(statement)
    assert sqlstate(refused.value) == PERMISSION_DENIED, refused.value


@pytest.mark.parametrize("number", ["seq", "fence"])
def test_numbers_of_an_order_never_fall(exchange: Exchange, number: str) -> None:
    with exchange.app.connect() as connection:
        # Away from the least values, which the columns' own rules guard.
        connection.execute(
            text("UPDATE orders SET fence = fence + 2, told_seq = 0 WHERE status = 'submitted'")
        )
        fallen = text(f"UPDATE orders SET {number} = {number} - 1 WHERE status = 'submitted'")  # noqa: S608
        with pytest.raises(DBAPIError) as refused:
            connection.execute(fallen)
    assert sqlstate(refused.value) == PERMISSION_DENIED, refused.value


def test_there_is_no_place_for_a_name_that_would_be_found_before_ours(exchange: Exchange) -> None:
    with exchange.app.connect() as connection:
        schemas = connection.execute(
            text("SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE')")
        )
        assert schemas.scalars().all() == []
        database = connection.execute(
            text("SELECT has_database_privilege(current_database(), 'CREATE, TEMPORARY')")
        )
        assert not database.scalar_one()
