"""What a captured function can do with the database, each attack to one of three ends.

Rights refuse it; or the audit, which its owner runs elsewhere, finds
it; or the threat model says that neither does.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.error_translation import sqlstate
from chalicelib.adapters.postgres.event_chain import link
from chalicelib.adapters.simulated_market.transactions import wallet_of
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.statuses import OrderStatus
from chalicelib.migrations.roles import APP_ROLE
from chalicelib.prepare import prepare
from tests.security.captured import Captured, Exchange, captured
from tests.support.instance import REPOSITORY

PERMISSION_DENIED = "42501"
THREAT_MODEL = REPOSITORY / "docs" / "threat-model.md"


@pytest.fixture(scope="module")
def exchange(make_database: Callable[[], str]) -> Iterator[Exchange]:
    made = Exchange(make_database(), f"login_{uuid.uuid4().hex[:8]}")
    made.trade()
    yield made
    made.close()


@pytest.fixture
def attacker(exchange: Exchange) -> Iterator[Captured]:
    with captured(exchange) as lent:
        yield lent


def test_audit_of_what_the_functions_did_finds_nothing(attacker: Captured) -> None:
    found = attacker.one(
        "SELECT count(*) FILTER (WHERE status = 'confirmed') AS ended, count(*) AS all FROM orders"
    )
    assert (found.ended, found.all) == (6, 7)
    assert attacker.findings() == set()


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
def test_rights_refuse(exchange: Exchange, statement: str) -> None:
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


Attack = Callable[[Captured], object]


def raises_a_wallet(it: Captured) -> None:
    it.run("UPDATE market.wallets SET balance = balance + 1000 WHERE token = 'SOL'")


def raises_wallet_and_lowers_vault(it: Captured) -> None:
    wallet = it.one("SELECT wallet FROM market.transactions WHERE order_id IS NOT NULL LIMIT 1").wallet
    it.run("UPDATE market.wallets SET balance = balance + 9 WHERE token = 'SOL' AND address = :w", w=wallet)
    it.run(
        "UPDATE market.vaults SET protocol_fees = protocol_fees - 9"
        " WHERE ctid = (SELECT ctid FROM market.vaults"
        " WHERE token = 'SOL' AND protocol_fees > 9 LIMIT 1)"
    )


def takes_from_another_wallet(it: Captured) -> None:
    there = it.one(
        "SELECT min(address) AS one, max(address) AS other FROM market.wallets WHERE token = 'SOL'"
    )
    it.run(
        "UPDATE market.wallets SET balance = balance + 5 WHERE token = 'SOL' AND address = :a", a=there.one
    )
    it.run(
        "UPDATE market.wallets SET balance = balance - 5 WHERE token = 'SOL' AND address = :a", a=there.other
    )


def takes_from_one_pool_for_another(it: Captured) -> None:
    pools = it.one("SELECT min(pool_id) AS one, max(pool_id) AS other FROM market.vaults WHERE token = 'SOL'")
    it.run(
        "UPDATE market.vaults SET tradable = tradable + 5 WHERE token = 'SOL' AND pool_id = :p", p=pools.one
    )
    it.run(
        "UPDATE market.vaults SET tradable = tradable - 5 WHERE token = 'SOL' AND pool_id = :p", p=pools.other
    )


def moves_a_price(it: Captured) -> None:
    it.run(
        "UPDATE market.pools SET state = jsonb_set(state, '{liquidity}', '1'), version = version + 1"
        " WHERE kind = 'clmm'"
    )


def empties_a_bin(it: Captured) -> None:
    it.run("UPDATE market.bins SET amount_x = 0 WHERE amount_x > 0")


def marks_a_sent_attempt_dead_that_landed(it: Captured) -> None:
    """So that the next consumer signs another one."""
    order_id = sent_order(it)
    books(it, order_id)
    it.run("UPDATE attempts SET outcome = 'dead', resolved_at = now() WHERE order_id = :id", id=order_id)


def marks_a_sent_attempt_landed(it: Captured) -> None:
    it.run(
        "UPDATE attempts SET outcome = 'landed', resolved_at = now() WHERE order_id = :id", id=sent_order(it)
    )


def books_more_than_the_pool_would_pay(it: Captured) -> None:
    """All rows agree with each other, and the wallet signed for that or less."""
    confirms(it, sent_order(it), output_units=10**9)


def books_less_than_was_signed(it: Captured) -> None:
    confirms(it, sent_order(it), output_units=1)


def confirms_what_never_landed(it: Captured) -> None:
    order_id = sent_order(it)
    confirms(it, order_id, output_units=10**9, is_booked=False)


def tells_other_amounts_than_were_booked(it: Captured) -> None:
    confirms(it, sent_order(it), output_units=10**9, told="777")


def forges_an_order_with_no_signature(it: Captured) -> None:
    forges_an_order(it, "alice", signature="5" * 88, payload=b"{}")


def forges_an_order_signed_with_a_key_of_its_own(it: Captured) -> None:
    forges_an_order(it, "alice")


def forges_an_order_from_a_transaction_of_another(it: Captured) -> None:
    row = it.one("SELECT signature, payload FROM attempts WHERE outcome = 'landed' LIMIT 1")
    it.run("DELETE FROM market.mempool")
    forges_an_order(it, "alice", signature=row.signature + "1", payload=bytes(row.payload))


def appends_to_a_running_order(it: Captured) -> None:
    order_id = sent_order(it)
    says(it, order_id, OrderStatus.ROUTING, {"reason": "mine"})


def appends_to_a_final_order(it: Captured) -> None:
    row = it.one("SELECT order_id FROM orders WHERE status = 'confirmed' LIMIT 1")
    says(it, row.order_id, OrderStatus.ROUTING, {})


def ends_an_order_without_a_word(it: Captured) -> None:
    it.run(
        "UPDATE orders SET status = 'failed', failure_code = 'X', seq = seq + 1 WHERE status = 'submitted'"
    )


def skips_steps(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE orders SET status = 'pending', seq = seq + 1 WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.PENDING, {})


def writes_an_event_without_its_hash(it: Captured) -> None:
    it.past_the_deployment()
    order_id = sent_order(it)
    it.run("UPDATE orders SET seq = 6, status = 'routing' WHERE order_id = :id", id=order_id)
    it.run(
        "INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)"
        " VALUES (:id, 6, 'routing', 2, now(), '{}')",
        id=order_id,
    )


def writes_an_event_with_the_hash_of_another(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE orders SET seq = 6, status = 'routing' WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.ROUTING, {"reason": "mine"}, chain=b"x" * 32)


def announces_what_was_never_signed(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE orders SET seq = 7, status = 'submitted', attempt = 2 WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.ROUTING, {})
    says(it, order_id, OrderStatus.SUBMITTED, {"txSignature": "x"})


def books_what_nobody_signed(it: Captured) -> None:
    books(it, sent_order(it), signature="x")


def books_for_another_order(it: Captured) -> None:
    other = it.one("SELECT order_id FROM orders WHERE account_id = 'bob' LIMIT 1").order_id
    books(it, sent_order(it), booked_order_id=other)


def books_at_another_time(it: Captured) -> None:
    books(it, sent_order(it), landed_at="2030-01-01")


FOUND: list[tuple[Attack, str]] = [
    (raises_a_wallet, "each wallet and vault"),
    (raises_wallet_and_lowers_vault, "each wallet and vault"),
    (takes_from_another_wallet, "each wallet and vault"),
    (takes_from_one_pool_for_another, "each wallet and vault"),
    (moves_a_price, "as the pools' maths would"),
    (empties_a_bin, "as the pools' maths would"),
    (marks_a_sent_attempt_dead_that_landed, "the outcome of an attempt"),
    (marks_a_sent_attempt_landed, "the outcome of an attempt"),
    (books_more_than_the_pool_would_pay, "as the pools' maths would"),
    (books_less_than_was_signed, "signed by its wallet"),
    (confirms_what_never_landed, "exactly one landed transaction"),
    (tells_other_amounts_than_were_booked, "was told what the record shows"),
    (forges_an_order_with_no_signature, "signed by its wallet"),
    (forges_an_order_signed_with_a_key_of_its_own, "signed by its wallet"),
    (forges_an_order_from_a_transaction_of_another, "signed by its wallet"),
    (appends_to_a_running_order, "numbered 1, 2, 3"),
    (appends_to_a_final_order, "numbered 1, 2, 3"),
    (ends_an_order_without_a_word, "numbered 1, 2, 3"),
    (skips_steps, "the life cycle allows"),
    (writes_an_event_without_its_hash, "hash of itself and its predecessor"),
    (writes_an_event_with_the_hash_of_another, "hash of itself and its predecessor"),
    (announces_what_was_never_signed, "announced by its event"),
    (books_what_nobody_signed, "before it was on record"),
    (books_for_another_order, "signed by its wallet"),
    (books_at_another_time, "as the pools' maths would|each wallet and vault"),
]


@pytest.mark.parametrize(("attack", "check"), FOUND, ids=lambda value: getattr(value, "__name__", ""))
def test_audit_finds(attacker: Captured, attack: Attack, check: str) -> None:
    attack(attacker)
    found = attacker.findings()
    assert any(wanted in name for name in found for wanted in check.split("|")), found


def test_own_key_for_an_account_without_a_history_is_found_with_the_seed_alone(attacker: Captured) -> None:
    forges_an_order(attacker, "nobody-yet")
    assert not any("signed by its wallet" in name for name in attacker.findings(seed=None))
    assert any("signed by its wallet" in name for name in attacker.findings())


def places_an_order_for_another(it: Captured) -> None:
    order_id, at = uuid.uuid4(), datetime.now(UTC)
    puts_on_record(it, order_id, "bob", at)
    chain = link(b"", OrderEvent(order_id, 1, 1, at, Recorded(OrderStatus.PENDING, {})), {})
    it.run(APPEND, id=order_id, seq=1, status="pending", attempt=1, at=at, data="{}", chain=chain)
    it.run("UPDATE orders SET chain = :chain WHERE order_id = :id", id=order_id, chain=chain)


def ends_an_order_of_another(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE attempts SET outcome = 'dead', resolved_at = now() WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.FAILED, {"code": "MINE"}, is_last=False)
    it.run(
        "UPDATE orders SET status = 'failed', failure_code = 'MINE', seq = 6,"
        " chain = (SELECT chain FROM order_events WHERE order_id = :id AND seq = 6) WHERE order_id = :id",
        id=order_id,
    )


SUBSCRIBE_TO_ALL = """
    INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
    SELECT 'mine', order_id, account_id, true, 0 FROM orders
"""
RESERVE = (
    "INSERT INTO client_order_keys (account_id, client_order_id, content_sha256) VALUES ('bob', 'next', 'x')"
)
ARCHIVE = "INSERT INTO dead_letters (message_id, body, receive_count, reason) VALUES ('x', 'x', 1, 'x')"
NOT_PREVENTED: list[tuple[str | Attack, str]] = [
    ("SELECT * FROM orders WHERE account_id = 'bob'", "read every account's orders"),
    (SUBSCRIBE_TO_ALL, "have them published to a connection"),
    ("UPDATE connections SET expires_at = 'infinity'", "past the end of its token"),
    ("DELETE FROM subscriptions", "keep owners from being notified"),
    ("DELETE FROM connections", "keep owners from being notified"),
    (places_an_order_for_another, "place orders in any account's name"),
    (ends_an_order_of_another, "end orders that are not final"),
    ("UPDATE orders SET lease_until = 'infinity' WHERE status = 'submitted'", "hold orders up"),
    ("DELETE FROM market.mempool", "dropping what is on its way"),
    (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid < 0",
        "ending sessions of its own login",
    ),
    (RESERVE, "reserve other accounts' `clientOrderId`s"),
    (ARCHIVE, "archive dead letters that never were"),
    ("SELECT market.open_wallets('[\"mine\"]', '[\"SOL\"]', true)", "open wallets with the faucet's sum"),
    ("SELECT lo_create(0)", "fill the disk"),
    ("SELECT pg_advisory_xact_lock(120265298896244)", "hold locks"),
]


@pytest.mark.parametrize(("attack", "admission"), NOT_PREVENTED)
def test_what_neither_prevents_nor_finds_is_admitted(
    attacker: Captured, attack: str | Attack, admission: str
) -> None:
    if isinstance(attack, str):
        attacker.run(attack)
    else:
        attack(attacker)
    assert attacker.findings() == set()
    assert admission in " ".join(THREAT_MODEL.read_text(encoding="utf-8").split())


def test_login_can_change_its_own_password(exchange: Exchange) -> None:
    """Which the threat model admits: no right that could be taken away is needed for it."""
    with exchange.app.connect() as connection:
        connection.exec_driver_sql("ALTER ROLE CURRENT_USER PASSWORD 'mine'")
        connection.rollback()
    assert "change its login's password" in THREAT_MODEL.read_text(encoding="utf-8")


def test_bytes_on_their_way_that_nobody_signed_keep_no_node_from_landing(exchange: Exchange) -> None:
    with exchange.app.begin() as connection:
        connection.execute(
            text("INSERT INTO market.mempool VALUES ('x', 'garbage', 9999999999, now() - interval '1 day')")
        )
    exchange.services.market.chain.view(["y"])
    with exchange.app.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM market.mempool")).scalar_one() == 0


def test_rows_from_before_the_chain_stay_auditable(make_database: Callable[[], str]) -> None:
    url = make_database()
    exchange = Exchange(url, f"login_{uuid.uuid4().hex[:8]}")
    exchange.trade()
    exchange.migrate_down_to("0007")
    exchange.services.engine.dispose()
    prepare(url)
    exchange.resume()
    with captured(exchange) as auditor:
        assert auditor.findings() == set()
        told = auditor.one("SELECT count(*) AS all, count(chain) AS chained FROM order_events")
        assert 0 < told.chained < told.all
        auditor.run("ALTER TABLE order_events DISABLE TRIGGER USER")
        auditor.run("UPDATE order_events SET data = data || '{\"x\": 1}' WHERE chain IS NOT NULL")
        assert any("hash of itself" in name for name in auditor.findings())
    exchange.close()


def test_faucet_gives_to_a_wallet_once_and_no_more_than_its_owner_wrote_down(attacker: Captured) -> None:
    for _ in range(2):
        attacker.run('SELECT market.open_wallets(\'["mine"]\', \'["SOL", "INVENTED"]\', true)')
    claimed = attacker.one(
        "SELECT sum(balance) FILTER (WHERE token = 'SOL') AS sol,"
        " sum(balance) FILTER (WHERE token <> 'SOL') AS other,"
        " (SELECT units FROM market.faucet WHERE token = 'SOL') AS faucet"
        " FROM market.wallets WHERE address = 'mine'"
    )
    assert (claimed.sol, claimed.other) == (claimed.faucet, 0)
    assert attacker.findings() == set()


def sent_order(it: Captured) -> UUID:
    order_id: UUID = it.one("SELECT order_id FROM orders WHERE status = 'submitted'").order_id
    return order_id


APPEND = """
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain)
    VALUES (:id, :seq, :status, :attempt, :at, CAST(:data AS jsonb), :chain)
"""


def says(
    it: Captured,
    order_id: UUID,
    status: OrderStatus,
    data: dict[str, Any],
    *,
    chain: bytes = b"",
    is_last: bool = True,
) -> None:
    """Append an event as the application would, hash and all;
    the order shows the hash if it is its ``is_last``.
    """
    at = datetime.now(UTC)
    last = it.one(
        "SELECT seq, chain FROM order_events WHERE order_id = :id ORDER BY seq DESC LIMIT 1", id=order_id
    )
    event = OrderEvent(order_id, last.seq + 1, 2, at, Recorded(status, data))
    made = chain or link(bytes(last.chain), event, data)
    told = json.dumps(data)
    it.run(APPEND, id=order_id, seq=event.seq, status=status, attempt=2, at=at, data=told, chain=made)
    if is_last:
        it.run(
            "UPDATE orders SET chain = :chain WHERE order_id = :id AND seq = :seq AND status <> 'confirmed'",
            chain=made,
            id=order_id,
            seq=event.seq,
        )


def puts_on_record(it: Captured, order_id: UUID, account: str, at: datetime) -> None:
    it.run(
        "INSERT INTO orders"
        " (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,"
        " price_base, slippage_bps, accepted_at, valid_until, content_sha256,"
        " status, seq, attempt, fence, lease_until)"
        " VALUES (:id, :account, 'market', 'exact_in', 'SOL', 'USDC', 125000000,"
        " 'SOL', 50, :at, :at, 'x', 'pending',"
        " 1, 1, 1, :at)",
        id=order_id,
        account=account,
        at=at,
    )


def books(
    it: Captured,
    order_id: UUID,
    *,
    output_units: int = 10**9,
    signature: str | None = None,
    booked_order_id: UUID | None = None,
    landed_at: str | None = None,
) -> None:
    """Write a transaction into the ledger, and move what it says it moved."""
    message = it.message_of(order_id)
    swap = message.instruction
    own = it.one("SELECT signature FROM attempts WHERE order_id = :id", id=order_id).signature
    pool = swap.paths[0].hops[0][0].pool_id
    paid = sum(leg.planned_units for path in swap.paths for leg in path.hops[0])
    legs = [
        {
            "pool_id": pool,
            "venue": "raydium",
            "token_in": swap.input_token,
            "token_out": swap.output_token,
            "input_units": paid,
            "output_units": output_units,
            "fee_units": 0,
            "fee_token": swap.input_token,
        }
    ]
    it.run(
        "INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt, input_units,"
        " output_units, legs, landed_at)"
        " SELECT :signature, market.height_at(moment), market.height_at(moment),"
        " :wallet, :id, 1, :paid, :got,"
        " CAST(:legs AS jsonb), coalesce(CAST(:landed_at AS timestamptz), moment)"
        " FROM market.now() AS moment",
        signature=signature or own,
        wallet=message.wallet,
        id=booked_order_id or order_id,
        paid=paid,
        got=output_units,
        legs=json.dumps(legs),
        landed_at=landed_at,
    )
    for token, units in ((swap.input_token, paid), (swap.output_token, -output_units)):
        it.run(
            "UPDATE market.vaults SET tradable = tradable + :units WHERE (pool_id, token) = (:pool, :token)",
            units=units, pool=pool, token=token,
        )  # fmt: skip
        it.run(
            "UPDATE market.wallets SET balance = balance - :units WHERE (address, token) = (:wallet, :token)",
            units=units, wallet=message.wallet, token=token,
        )  # fmt: skip


def confirms(
    it: Captured, order_id: UUID, *, output_units: int, is_booked: bool = True, told: str | None = None
) -> None:
    """End an order as confirmed, with all that belongs to it."""
    if is_booked:
        books(it, order_id, output_units=output_units)
    row = it.one(
        "SELECT signature, amount_units FROM attempts JOIN orders USING (order_id) WHERE order_id = :id",
        id=order_id,
    )
    height = it.one("SELECT market.height_at(market.now()) AS height").height
    it.run("UPDATE attempts SET outcome = 'landed', resolved_at = now() WHERE order_id = :id", id=order_id)
    it.run(
        "UPDATE orders SET status = 'confirmed', seq = seq + 1, input_units = :paid, output_units = :got"
        " WHERE order_id = :id",
        id=order_id,
        paid=row.amount_units,
        got=output_units,
    )
    fill = {
        "txSignature": row.signature,
        "slot": height,
        "inputAmount": "0.125",
        "outputAmount": told or str(output_units // 10**6),
    }
    says(it, order_id, OrderStatus.CONFIRMED, fill)


def forges_an_order(it: Captured, account: str, *, signature: str = "", payload: bytes = b"") -> None:
    """Put a complete confirmed order on record, with a wallet of one's own and the pools' money."""
    sent = it.message_of(sent_order(it)).instruction
    order_id, wallet = uuid.uuid4(), wallet_of(b"a key of the attacker's", account)
    it.run(
        'SELECT market.open_wallets(CAST(:a AS jsonb), \'["SOL", "USDC"]\', true)',
        a=json.dumps([wallet.address]),
    )
    made = it.signed(wallet, replace(sent, account_id=account, order_id=order_id, threshold_units=1))
    signature, payload = signature or made.signature, payload or made.payload
    at = datetime.now(UTC)
    puts_on_record(it, order_id, account, at)
    it.run(
        "INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,"
        " quoted_out_units, threshold_units, fence)"
        " VALUES (:signature, :id, 1, :payload, :height, 1, 1, 1, 1)",
        signature=signature,
        id=order_id,
        payload=payload,
        height=made.last_valid_height,
    )
    statuses: tuple[tuple[OrderStatus, dict[str, str]], ...] = (
        (OrderStatus.PENDING, {}),
        (OrderStatus.ROUTING, {}),
        (OrderStatus.ROUTED, {}),
        (OrderStatus.BUILDING, {}),
        (OrderStatus.SUBMITTED, {"txSignature": signature}),
    )
    chain = b""
    for seq, (status, data) in enumerate(statuses, 1):
        chain = link(chain, OrderEvent(order_id, seq, 1, at, Recorded(status, data)), data)
        told = json.dumps(data)
        it.run(APPEND, id=order_id, seq=seq, status=status, attempt=1, at=at, data=told, chain=chain)
    it.run(
        "UPDATE orders SET status = 'submitted', seq = 5, tx_signature = :signature WHERE order_id = :id",
        signature=signature,
        id=order_id,
    )
    if payload == made.payload:
        confirms(it, order_id, output_units=10**9)
