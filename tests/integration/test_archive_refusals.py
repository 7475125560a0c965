"""What the database refuses to drop, whatever the archive claims to hold."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import PostgresFinishedOrders
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.archiving import archiver
from chalicelib.domain.errors import Code
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.services.archive.ports import Archive
from tests.contract.records import next_transition, on_postgres
from tests.fakes.orders import LIFE, an_order
from tests.integration.archives import DAYS, EVENTS, archiving, ended, on_record

_IS_BLOCKED: Final = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def settled(engine: Engine, order_id: UUID, *, seq: int = EVENTS, **counts: int) -> bool:
    """Have an order with one attempt archived; return whether it was."""
    claimed: dict[str, Any] = {"orders": 1, "events": EVENTS, "attempts": 1} | counts
    day = (datetime.now(UTC) - timedelta(days=40)).date()
    archive = Archive(f"orders/{uuid4()}", day, bytes(32), **claimed)
    return PostgresFinishedOrders(engine).settle(archive, {str(order_id): seq})


def test_order_that_ended_today_stays(engine: Engine) -> None:
    (order_id,) = ended(engine, days_ago=0)
    assert not settled(engine, order_id)


def test_order_that_is_open_stays_however_old_it_is(engine: Engine, tmp_path: Path) -> None:
    store, order = on_postgres(engine), an_order()
    store.created(order)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE orders SET updated_at = now() - interval '40 days'"))
    seqs = store.seqs(order.order_id)
    assert not settled(engine, order.order_id, seq=seqs[-1], events=len(seqs), attempts=0)
    assert archiving(engine, tmp_path).waiting() == 0


def test_order_that_has_changed_since_it_was_read_stays(engine: Engine) -> None:
    (order_id,) = ended(engine)
    assert not settled(engine, order_id, seq=EVENTS - 1)
    assert settled(engine, order_id)


@pytest.mark.parametrize(
    "counts",
    [{"events": EVENTS - 1}, {"events": EVENTS + 1}, {"attempts": 0}, {"attempts": 2}, {"transactions": 1}],
)
def test_order_of_which_the_archive_holds_more_or_less_than_the_record_stays(
    engine: Engine, counts: dict[str, int]
) -> None:
    (order_id,) = ended(engine)
    before = on_record(engine)
    with pytest.raises(DBAPIError, match="the archive holds"):
        settled(engine, order_id, **counts)
    assert on_record(engine) == before


def test_order_of_which_the_ledger_holds_a_transaction_that_the_archive_does_not_stays(
    engine: Engine,
) -> None:
    (order_id,) = ended(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt,"
                " input_units, output_units, legs, landed_at)"
                " SELECT signature, 1, 1, 'alice', order_id, attempt, 1, 1, '[]', now() FROM attempts"
            )
        )
    before = on_record(engine)
    with pytest.raises(DBAPIError, match="the archive holds 0 transactions, the ledger 1"):
        settled(engine, order_id)
    assert on_record(engine) == before
    assert settled(engine, order_id, transactions=1)


def test_nothing_is_archived_while_the_ledger_is_folded(engine: Engine) -> None:
    """Rows of the order might be left by both."""
    (order_id,) = ended(engine)
    with engine.begin() as folding, ThreadPoolExecutor(1) as executor:
        folding.execute(text("SELECT FROM market.folded FOR UPDATE"))
        archived = executor.submit(settled, engine, order_id)
        while not (waits := folding.execute(_IS_BLOCKED).scalar_one()) and not archived.done():
            pass
        assert waits
        folding.commit()
        assert archived.result()


def test_order_that_is_followed_since_it_was_read_stays_until_the_follower_is_gone(
    engine: Engine, tmp_path: Path
) -> None:
    (followed, *_) = ended(engine, 2)
    before, subscriptions = on_record(engine), on_postgres(engine).subscriptions

    class Late(FolderArchiveStore):
        def put(self, place: str, content: bytes) -> None:
            super().put(place, content)
            subscriptions.begin_replay("c=", "alice", followed, replay_id=uuid4(), after_seq=0)

    assert archiver(engine, Late(tmp_path), retention_days=DAYS).run().orders == 0
    assert on_record(engine) == before
    assert archiving(engine, tmp_path).run().orders == 1
    subscriptions.forget(["c="])
    assert archiving(engine, tmp_path).run().orders == 1
    assert on_record(engine) == (2, 0, 0, 2)


def test_order_whose_last_changes_are_yet_to_be_published_stays(engine: Engine, tmp_path: Path) -> None:
    order_id, *_ = ended(engine, 2)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO unpublished (order_id, account_id, since)"
                " SELECT order_id, account_id, now() FROM orders WHERE order_id = :id"
            ),
            {"id": order_id},
        )
    archive = archiving(engine, tmp_path)
    assert (archive.waiting(), archive.run().orders) == (1, 1)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM unpublished"))
    assert (archive.waiting(), archive.run().orders) == (1, 1)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_final_order_is_dropped_by_nothing_but_what_forgets_it_with_its_archive(
    engine: Engine, status: OrderStatus
) -> None:
    """Not by the owner of the tables either: what was executed would execute again."""
    store = on_postgres(engine)
    if status is OrderStatus.CONFIRMED:
        store.moved(store.created(an_order()), *LIFE[2:])
    else:
        end = next_transition(store.created(an_order()), status)
        failure_code = Code.NO_ROUTE if status is OrderStatus.FAILED else None
        assert store.record.record([replace(end, failure_code=failure_code)], lease_ms=0)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in ("order_events", "attempts"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    with engine.connect() as connection, pytest.raises(DBAPIError, match="the order is final"):
        connection.execute(text("DELETE FROM orders"))
