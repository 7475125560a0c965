"""Archived orders of long ago: they leave the record with their keys, not before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import archive_check
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.operations import PostgresOperations
from chalicelib.bootstrap.archiving import archiver
from chalicelib.domain.errors import ConflictError
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.services.intake.redrive import RedriveDeadLetters
from chalicelib.wire.queue_messages import render_message
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order, changed
from tests.fakes.ports import FakeQueue
from tests.integration.archives import DAYS, TO_THE_END, ended, on_record

KEPT_DAYS = 400
BOUGHT = "the same"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def archived_long_ago(engine: Engine, folder: Path, *, days_ago: int) -> UUID:
    """Archive an order with a client order id as it would have been at the time; return its id."""
    store, order = on_postgres(engine), an_order(client_order_id=BOUGHT)
    assert store.keys.reserve(order.account_id, BOUGHT, order.content_sha256)
    store.moved(store.created(order), *TO_THE_END)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text("UPDATE orders SET updated_at = now() - make_interval(days => :days)"), {"days": days_ago}
        )
    assert (
        archiver(engine, FolderArchiveStore(folder), retention_days=DAYS, kept_days=10_000).run().orders == 1
    )
    return order.order_id


def kept_of(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        counts = [text(f"SELECT count(*) FROM {table}") for table in ("orders", "client_order_keys")]  # noqa: S608
        orders, keys = (connection.execute(each).scalar_one() for each in counts)
    return orders, keys


def test_orders_of_long_ago_leave_with_their_keys_and_the_archive_stays(
    engine: Engine, tmp_path: Path
) -> None:
    archived_long_ago(engine, tmp_path, days_ago=KEPT_DAYS + 2)
    ended(engine, days_ago=40)
    done = archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS, kept_days=KEPT_DAYS).run()
    assert (done.orders, done.forgotten) == (1, 1)
    assert kept_of(engine) == (1, 0)
    assert on_record(engine)[3] == 2
    with engine.connect() as connection:
        assert archive_check(FolderArchiveStore(tmp_path)).violations(connection) == []


def test_dead_letter_of_a_forgotten_order_is_not_sent_again(engine: Engine, tmp_path: Path) -> None:
    """It has executed, and would execute again: nothing on record says so any more."""
    order_id = archived_long_ago(engine, tmp_path, days_ago=KEPT_DAYS + 2)
    accepted_at = datetime.now(UTC) - timedelta(days=KEPT_DAYS + 3)
    old = changed(an_order(), order_id=order_id, accepted_at=accepted_at, valid_until=accepted_at)
    recent = replace(old, order_id=uuid4(), accepted_at=datetime.now(UTC), valid_until=datetime.now(UTC))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dead_letters (message_id, order_id, body, receive_count, reason)"
                " VALUES (:message_id, :order_id, :body, 40, 'the order was confirmed already')"
            ),
            [
                {
                    "message_id": name,
                    "order_id": each.order_id,
                    "body": render_message(OrderMessage(order=each)),
                }
                for name, each in (("old", old), ("recent", recent))
            ],
        )
    queue = FakeQueue()
    redrive = RedriveDeadLetters(PostgresOperations(engine), queue)
    with pytest.raises(ConflictError, match="confirmed, and final"):
        redrive.redrive("old", operator="olga")
    archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS, kept_days=KEPT_DAYS).run()
    with pytest.raises(ConflictError, match="may have forgotten"):
        redrive.redrive("old", operator="olga")
    assert queue.sent == []
    assert redrive.redrive("recent", operator="olga") == recent.order_id


def test_key_and_spending_of_no_other_order_are_forgotten_with_an_order(
    engine: Engine, tmp_path: Path
) -> None:
    old = archived_long_ago(engine, tmp_path, days_ago=KEPT_DAYS + 2)
    store, recent = on_postgres(engine), an_order(client_order_id="another")
    store.created(recent)
    others = (("alice", "another"), ("bob", BOUGHT))
    for account_id, client_order_id in others:
        assert store.keys.reserve(account_id, client_order_id, recent.content_sha256)
    spent = "INSERT INTO spending (order_id, day, token, units) VALUES (:order_id, current_date, 'So1', 1)"
    with engine.begin() as connection:
        connection.execute(text(spent), [{"order_id": each} for each in (old, recent.order_id)])
    done = archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS, kept_days=KEPT_DAYS).run()
    assert done.forgotten == 1
    with engine.connect() as connection:
        keys = connection.execute(text("SELECT account_id, client_order_id FROM client_order_keys")).all()
        spending = connection.execute(text("SELECT order_id FROM spending")).scalars().all()
    assert (sorted(map(tuple, keys)), spending) == (sorted(others), [recent.order_id])


def test_key_of_an_archived_order_is_recognised_until_it_is_forgotten(engine: Engine, tmp_path: Path) -> None:
    archived_long_ago(engine, tmp_path, days_ago=KEPT_DAYS - 2)
    done = archiver(engine, FolderArchiveStore(tmp_path), retention_days=DAYS, kept_days=KEPT_DAYS).run()
    assert (done.forgotten, kept_of(engine)) == (0, (1, 1))


def test_order_is_not_forgotten_early_by_an_archive_that_claims_to_be_old(
    engine: Engine, tmp_path: Path
) -> None:
    archived_long_ago(engine, tmp_path, days_ago=61)
    with engine.begin() as connection:
        connection.execute(text("UPDATE archives SET day = '2020-01-01'"))
        assert connection.execute(text("SELECT forget_orders(62)")).scalar() is None
        assert connection.execute(text("SELECT forget_orders(60)")).scalar() == 1


def test_nothing_is_forgotten_while_a_queue_may_still_hold_its_message(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError, match="60 days"):
        connection.execute(text("SELECT forget_orders(59)"))
