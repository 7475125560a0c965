"""What ``market.fold`` folds: no unit twice or not at all, and no evidence that nothing else holds."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from tests.contract.records import on_postgres
from tests.contract.waiting import wait_for_waiting
from tests.fakes.orders import an_order

POOL = "raydium-cpmm-SOL-USDC-25"
_LANDED = text("""
INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt, input_units,
    output_units, error, legs, landed_at)
VALUES (:signature, 1, 1, 'alice', :order_id, 1, :input_units, :output_units, :error, CAST(:legs AS jsonb),
    :landed_at)
RETURNING ordinal
""")
_ARCHIVE = text("""
INSERT INTO archives (place, day, sha256, orders, events, attempts, transactions, forgotten_at)
VALUES (:place, :day, :sha256, 1, 1, 0, :transactions, :forgotten_at)
RETURNING archive_id
""")
_FOLD = text("SELECT market.fold(:after, :up_to, 1, CAST(:states AS jsonb))")


class Ledger:
    """A market's ledger, as its owner sees it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = datetime.now(UTC)
        seed(engine, load_market())

    def lands(self, *, days_ago: int = 40, order_id: UUID | None = None, error: str | None = None) -> int:
        """Have a swap land whose units tell it from each other one; return its ordinal."""
        number = len(self.ordinals()) + 1
        moved = [100 * number, 7 * number]
        leg = [POOL, "raydium", "SOL", "USDC", *moved, 0, "SOL", "0"]
        said = {
            "signature": str(uuid4()),
            "order_id": order_id,
            "error": error,
            "input_units": 0 if error else moved[0],
            "output_units": 0 if error else moved[1],
            "legs": json.dumps([leg]),
            "landed_at": self.now - timedelta(days=days_ago),
        }
        return int(self.asked(_LANDED, **said))

    def archived(self, order_id: UUID, *, transactions: int | None) -> UUID:
        archive_id = self.archive(days_ago=39, transactions=transactions)
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            update = text("UPDATE orders SET archive_id = :archive_id WHERE order_id = :order_id")
            connection.execute(update, {"archive_id": archive_id, "order_id": order_id})
        return order_id

    def archive(
        self, *, days_ago: int, transactions: int | None = None, is_forgotten: bool = False
    ) -> object:
        day, forgotten_at = (self.now - timedelta(days=days_ago)).date(), self.now if is_forgotten else None
        said = {"day": day, "transactions": transactions, "forgotten_at": forgotten_at}
        return self.asked(_ARCHIVE, place=str(uuid4()), sha256=bytes(32), **said)

    def folds(self, after: int, up_to: int, connection: Connection | None = None) -> bool:
        pool = {"pool_id": POOL, "kind": "cpmm", "state": {"after": up_to}, "bins": None, "ticks": None}
        said = {"after": after, "up_to": up_to, "states": json.dumps([pool])}
        return bool(connection.execute(_FOLD, said).scalar_one() if connection else self.asked(_FOLD, **said))

    def flows(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT place, token, units FROM market.flows() WHERE units <> 0 ORDER BY 1, 2")

    def ordinals(self) -> list[int]:
        return [row[0] for row in self.rows("SELECT ordinal FROM market.transactions ORDER BY 1")]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def asked(self, statement: Any, **said: object) -> Any:
        with self.engine.begin() as connection:
            return connection.execute(statement, said).scalar_one()


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    engine = make_engine(database_url)
    yield Ledger(engine)
    engine.dispose()


def test_ledger_folded_in_parts_has_moved_what_it_had(ledger: Ledger) -> None:
    """A row that stays, and one that failed, count neither twice nor at all."""
    parts = [[ledger.lands(), ledger.lands(order_id=uuid4())], [ledger.lands(error="failed"), ledger.lands()]]
    (first, kept), (_, last) = parts
    later = ledger.lands(days_ago=0)
    moved = ledger.flows()
    assert moved == [
        ("alice", "SOL", -1_200),
        ("alice", "USDC", 84),
        (POOL, "SOL", 1_200),
        (POOL, "USDC", -84),
    ]
    assert ledger.folds(0, kept)
    assert (ledger.flows(), ledger.ordinals()) == (moved, [kept, *parts[1], later])
    for up_to in (first, kept, last + 100):
        with pytest.raises(DBAPIError, match="nothing landed"):
            ledger.folds(kept, up_to)
    assert not ledger.folds(0, last)
    assert not ledger.folds(kept, later)
    assert ledger.folds(kept, last)
    assert (ledger.flows(), ledger.ordinals()) == (moved, [kept, later])


def test_pools_are_kept_as_they_stood_after_what_is_folded_and_as_they_opened_later(ledger: Ledger) -> None:
    first, second, third = (ledger.lands() for _ in range(3))
    opened = text("""
        INSERT INTO market.openings (pool_id, after_ordinal, kind, state, maths)
        VALUES (:pool_id, :after, 'cpmm', '{}', 1) RETURNING after_ordinal
    """)
    for after in (first, third):
        ledger.asked(opened, pool_id=POOL, after=after)
    for after, up_to in ((0, first), (first, second)):
        assert ledger.folds(after, up_to)
        kept = ledger.rows("SELECT pool_id, after_ordinal FROM market.openings ORDER BY 2")
        assert kept == [(POOL, up_to), (POOL, third)]


def test_row_stays_for_as_long_as_nothing_else_holds_it(ledger: Ledger) -> None:
    store = on_postgres(ledger.engine)
    on_record, archived, without = (store.created(an_order()).state.order.order_id for _ in range(3))
    ledger.archive(days_ago=60, is_forgotten=True)
    ledger.archive(days_ago=30)
    stay = [
        ledger.lands(order_id=on_record),
        ledger.lands(order_id=ledger.archived(without, transactions=None)),
        ledger.lands(order_id=uuid4(), days_ago=59),
        ledger.lands(order_id=on_record, days_ago=61),
    ]
    ledger.lands(order_id=ledger.archived(archived, transactions=1))
    ledger.lands(order_id=uuid4(), days_ago=60)
    last = ledger.lands()
    assert ledger.folds(0, last)
    assert ledger.ordinals() == stay


def test_two_that_fold_at_once_fold_once(ledger: Ledger) -> None:
    last, moved = ledger.lands(order_id=uuid4()), ledger.flows()
    with ThreadPoolExecutor(1) as executor, ledger.engine.connect() as first:
        assert ledger.folds(0, last, first)
        second = executor.submit(ledger.folds, 0, last)
        with ledger.engine.connect() as other:
            wait_for_waiting(other, 1, or_until=second.done)
        first.commit()
        assert not second.result()
    assert ledger.flows() == moved
