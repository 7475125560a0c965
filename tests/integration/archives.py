"""Orders that ended long ago, and what is on record of them, for the tests of archiving."""

from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine, text

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.bootstrap.archiving import archiver
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.archive.archiver import ArchiveOrders
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order

TO_THE_END = (OrderStatus.ROUTED, OrderStatus.BUILDING, OrderStatus.SUBMITTED, OrderStatus.CONFIRMED)
DAYS = 30
EVENTS = 6


def ended(engine: Engine, number: int = 1, *, days_ago: int = 40, account_id: str = "alice") -> list[UUID]:
    """Put confirmed orders on record that ended so long ago."""
    store, ids = on_postgres(engine), []
    for _ in range(number):
        order = an_order(account_id=account_id)
        store.moved(store.created(order), *TO_THE_END)
        ids.append(order.order_id)
    with engine.begin() as connection:
        # Only the database's owner can, and not without saying so.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "UPDATE orders SET updated_at = now() - make_interval(days => :days) "
                "WHERE order_id = ANY(:ids)"
            ),
            {"days": days_ago, "ids": ids},
        )
    return ids


def archiving(engine: Engine, folder: Path) -> ArchiveOrders:
    return archiver(engine, FolderArchiveStore(folder), retention_days=DAYS)


def on_record(engine: Engine) -> tuple[int, int, int, int]:
    """Return how many orders, events, attempts and archives there are."""
    tables = ("orders", "order_events", "attempts", "archives")
    with engine.connect() as connection:
        found = [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables]  # noqa: S608
    return found[0], found[1], found[2], found[3]
