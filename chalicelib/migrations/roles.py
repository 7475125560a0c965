"""What the application may do in the database: a role that holds just that, and owns nothing.

Migrations run as the owner. The functions log in as a member of ``orderflow_app``::

    CREATE ROLE orderflow LOGIN PASSWORD '...' IN ROLE orderflow_app

With that, an attacker in a function can neither rewrite the audit trail, nor issue money, nor drop a
table; ``docs/threat-model.md`` says what is left, and what of that the audit finds. Every table has a row
here; a test compares them with the database.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.order_columns import AMENDABLE, NAMES

APP_ROLE: Final = "orderflow_app"

_READ: Final = "SELECT"

# By column where a table is not merely read: what the database itself writes (when a row was
# recorded), and what is settled once a row is there (whose order it is, its terms, the signed
# bytes), the functions cannot choose.
PRIVILEGES: Final[Mapping[str, str]] = {
    "alembic_version": _READ,
    "orders": f"""SELECT, INSERT (
        {NAMES},
        status, seq, attempt, tx_signature, failure_code, chain, fence, lease_until
    ), UPDATE (
        status, seq, attempt, tx_signature, input_units, output_units, failure_code, chain, fence,
        lease_until, told_seq, is_triggered, refused_at_bound, paid_refusals, given_up, resumed_at,
        updated_at, known_on,
        {", ".join(AMENDABLE)}
    )""",
    "order_events": "SELECT, INSERT (order_id, seq, status, attempt, occurred_at, data, chain, packed)",
    # Rows come into being through public.archive_orders and archive_with_transactions alone.
    "archives": _READ,
    "attempts": """SELECT, INSERT (
        signature, order_id, attempt, payload, last_valid_height, quoted_in_units, quoted_out_units,
        threshold_units, fence
    ), UPDATE (outcome, resolved_at)""",
    "connections": """SELECT, INSERT (connection_id, account_id, expires_at, batched),
        UPDATE (expires_at, batched), DELETE""",
    "subscriptions": """SELECT, INSERT (connection_id, order_id, account_id, live, replayed_to, replay_id),
        UPDATE (live, replayed_to, replay_id, updated_at), DELETE""",
    "client_order_keys": "SELECT, INSERT (account_id, client_order_id, content_sha256)",
    "dead_letters": "SELECT, INSERT (message_id, order_id, body, receive_count, reason)",
    "audit_rules": """SELECT, INSERT (rule_id, ran_at, held_at, duration_ms, violations),
        UPDATE (ran_at, held_at, duration_ms, violations)""",
    # Only the owner says where orders execute.
    "chains": _READ,
    "chain_eras": _READ,
    "servers": """SELECT, INSERT (server_id, name, lacks_since),
        UPDATE (alive_at, settles_after, settled_at, woken_to, woken_at)""",
    "refusals": "SELECT, INSERT (slot, code, minute, number), UPDATE (minute, number)",
    "consumers": """SELECT, INSERT (consumer_id, seen_at, oldest_ms), UPDATE (seen_at, oldest_ms), DELETE""",
    # Of those that no watch has: the reference from watches refuses the others.
    "watch_pairs": "SELECT, INSERT (input_token, output_token), DELETE",
    "watches": """SELECT, INSERT (
        order_id, accepted_at, wake_at, since_height, pair_id, look, armed, direction, rate_out, rate_in,
        wake_key, own_key
    ), UPDATE (
        wake_at, since_height, fired_at, sent_at, fired_height, firing, pair_id, look, armed, direction,
        rate_out, rate_in, wake_key, own_key, fired_by, seen_out, seen_in
    ), DELETE""",
    "unpublished": "SELECT, INSERT (order_id, account_id), UPDATE (since), DELETE",
    "cancel_marks": """SELECT, INSERT (account_id, base, quote, types, accepted_until),
        UPDATE (accepted_until), DELETE""",
    "marks": "SELECT, INSERT (pair_id, height, low, high), UPDATE (low, high), DELETE",
    "spending": "SELECT, INSERT (order_id, day, token, units), UPDATE (day, token, units, is_settled)",
    "spent_days": "SELECT, INSERT, UPDATE (units)",
    "found_pools": "SELECT, INSERT (address, venue, token_0, token_1, decimals_0, decimals_1)",
    # Only the operator says whose wallet is whose.
    "registered_wallets": _READ,
    "market.chain": _READ,
    "market.faults": _READ,
    "market.faucet": _READ,
    # Money comes into being through market.open_wallets alone.
    "market.issues": _READ,
    "market.openings": _READ,
    # What landed long ago goes into these through market.fold alone.
    "market.folded": _READ,
    "market.folded_flows": _READ,
    "market.launches": _READ,
    "market.tokens": _READ,
    "market.supply": _READ,
    "market.wallets": "SELECT, UPDATE (balance)",
    "market.pools": "SELECT, UPDATE (state, version)",
    "market.bins": "SELECT, UPDATE (amount_x, amount_y, version)",
    "market.ticks": _READ,
    "market.vaults": "SELECT, UPDATE (tradable, lp_fees, protocol_fees, fund_fees, creator_fees)",
    # A statement that locks a row needs the right to change something of it.
    "market.mempool": "SELECT, INSERT, UPDATE (lands_at), DELETE",
    "market.transactions": """SELECT, INSERT (
        signature, slot, height, wallet, order_id, attempt, error, input_units, output_units, legs,
        landed_at)""",
}

_FUNCTIONS: Final = ("public.archive_orders", "public.archive_with_transactions", "public.forget_orders")

# Roles belong to the server, so another database's migration may create it at the same moment.
_CREATE: Final = text(f"""
DO $$ BEGIN
    CREATE ROLE {APP_ROLE} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
""")

_IS_OWNER: Final = text("SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'orders'")
_MAY_CREATE: Final = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
# Temporary tables would be looked up before ours by the statements of the
# same session. Only the database's owner may.
_NO_TEMPORARY: Final = text("""
DO $$ BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$
""")
_EXISTS: Final = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")


def grant(engine: Engine, *, keeps_others: bool = False) -> bool:
    """Give the application's role what it needs and no more; return whether it could be done. Safe to repeat.

    ``keeps_others``: it keeps what else it has, which a later release's functions may need that still run.

    It cannot by a login that does not own the tables, or where the role is absent and may not be created.
    """
    with engine.begin() as connection:
        if not connection.execute(_IS_OWNER).scalar() or not _has_role(connection):
            return False
        connection.execute(_NO_TEMPORARY)
        for statement in _statements(keeps_others=keeps_others):
            connection.execute(text(statement))
    return True


def _has_role(connection: Connection) -> bool:
    if connection.execute(_EXISTS, {"role": APP_ROLE}).scalar_one():
        return True
    if not connection.execute(_MAY_CREATE).scalar_one():
        return False
    connection.execute(_CREATE)
    return True


def _statements(*, keeps_others: bool) -> list[str]:
    # Granted anew, so that what a release no longer needs is gone with it.
    revoked = [] if keeps_others else [f"REVOKE ALL ON ALL TABLES IN SCHEMA public, market FROM {APP_ROLE}"]
    return [
        # No login may create tables that the application would mistake for its own.
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public, market TO {APP_ROLE}",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA market TO {APP_ROLE}",
        f"GRANT EXECUTE ON FUNCTION {', '.join(_FUNCTIONS)} TO {APP_ROLE}",
        *revoked,
        *(f"GRANT {privileges} ON {table} TO {APP_ROLE}" for table, privileges in PRIVILEGES.items()),
    ]
