"""What the application may do in the database: a role that holds just that, and owns nothing.

Migrations run as the owner. The functions log in as a member of ``orderflow_app``::

    CREATE ROLE orderflow LOGIN PASSWORD '...' IN ROLE orderflow_app

With that, whoever takes over a function can neither rewrite the audit trail, nor forge money, nor drop a
table. Every table has a row here; a test compares them with the database.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

APP_ROLE: Final = "orderflow_app"

_READ: Final = "SELECT"
_APPEND: Final = "SELECT, INSERT"
_WRITE: Final = "SELECT, INSERT, UPDATE"
_ALL: Final = "SELECT, INSERT, UPDATE, DELETE"

PRIVILEGES: Final[Mapping[str, str]] = {
    "alembic_version": _READ,
    "orders": _WRITE,
    "order_events": _APPEND,
    "attempts": _WRITE,
    "connections": _ALL,
    "subscriptions": _ALL,
    "client_order_keys": _APPEND,
    "dead_letters": _APPEND,
    # Rows whose lock every reader of the market takes need UPDATE as well.
    "market.chain": _READ,
    "market.faults": _READ,
    "market.supply": _WRITE,
    "market.wallets": _WRITE,
    "market.pools": "SELECT, UPDATE",
    "market.bins": _WRITE,
    "market.ticks": "SELECT, UPDATE",
    "market.vaults": "SELECT, UPDATE",
    "market.mempool": _ALL,
    "market.transactions": _APPEND,
}

# Roles belong to the server, so another database's migration may create it at the same moment.
_CREATE: Final = text(f"""
DO $$ BEGIN
    CREATE ROLE {APP_ROLE} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
""")

_IS_OWNER: Final = text("SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'orders'")
_MAY_CREATE: Final = text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
_EXISTS: Final = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")


def grant(engine: Engine) -> bool:
    """Give the application's role what it needs and no more; return whether it could be done. Safe to repeat.

    It cannot by a login that does not own the tables, or where the role is absent and may not be created.
    """
    with engine.begin() as connection:
        if not connection.execute(_IS_OWNER).scalar() or not _has_role(connection):
            return False
        for statement in _statements():
            connection.execute(text(statement))
    return True


def _has_role(connection: Connection) -> bool:
    if connection.execute(_EXISTS, {"role": APP_ROLE}).scalar_one():
        return True
    if not connection.execute(_MAY_CREATE).scalar_one():
        return False
    connection.execute(_CREATE)
    return True


def _statements() -> list[str]:
    return [
        # Nobody may create tables that the application would mistake for its own.
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public, market TO {APP_ROLE}",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA market TO {APP_ROLE}",
        # Granted anew, so that what a release no longer needs is gone with it.
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public, market FROM {APP_ROLE}",
        *(f"GRANT {privileges} ON {table} TO {APP_ROLE}" for table, privileges in PRIVILEGES.items()),
    ]
