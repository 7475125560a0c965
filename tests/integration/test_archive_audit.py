"""The audit of archives that are whole, and do not hold what the record says."""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import archive_check
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.wire.archived_orders import joined, packed, text_of
from tests.contract.records import on_postgres
from tests.fakes.orders import NOON, an_order
from tests.integration.archives import archiving, ended

Lines = list[dict[str, Any]]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def problems_once_it_holds(
    engine: Engine, folder: Path, change: Callable[[bytes], bytes], *, transactions: int | None = None
) -> list[str]:
    """Archive two orders, change the archive and what the record says of it; return what is found."""
    ended(engine, 2)
    assert archiving(engine, folder).run().orders == 2
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    path.write_bytes(changed := change(path.read_bytes()))
    with engine.begin() as connection:
        told = {"digest": sha256(changed).digest(), "transactions": transactions}
        connection.execute(text("UPDATE archives SET sha256 = :digest, transactions = :transactions"), told)
        found = archive_check(FolderArchiveStore(folder)).violations(connection)
    return [each.problem for each in found]


def rewritten(change: Callable[[Lines], Lines]) -> Callable[[bytes], bytes]:
    def rewrite(archive: bytes) -> bytes:
        lines = [json.loads(line) for line in text_of(archive).splitlines()]
        return packed(joined(map(json.dumps, change(lines))))

    return rewrite


def test_archive_that_is_none_is_told(engine: Engine, tmp_path: Path) -> None:
    assert len(problems_once_it_holds(engine, tmp_path, lambda _: b"no archive")) == 1


def test_what_is_wrong_with_one_archive_keeps_no_other_from_being_looked_at(
    engine: Engine, tmp_path: Path
) -> None:
    for days_ago in (41, 42, 43, 44):
        ended(engine, days_ago=days_ago)
    assert archiving(engine, tmp_path).run().orders == 4
    with engine.begin() as connection:
        places = connection.execute(text("SELECT place FROM archives ORDER BY archive_id")).scalars().all()
        missing, changed, none, last = (tmp_path / place for place in places)
        missing.unlink()
        changed.write_bytes(b"no archive")
        none.write_bytes(b"no archive")
        last.write_bytes(changed_last := packed(joined([])))
        told = [
            {"place": place, "digest": sha256(content).digest()}
            for place, content in ((places[2], b"no archive"), (places[3], changed_last))
        ]
        connection.execute(text("UPDATE archives SET sha256 = :digest WHERE place = :place"), told)
        found = archive_check(FolderArchiveStore(tmp_path)).violations(connection)
    assert [each.subject for each in found][:4] == [*places]
    assert [each.problem.split(":")[0] for each in found][:4] == [
        "is missing",
        "is not what was written",
        "not a readable archive",
        "holds [0] orders, events, attempts and transactions",
    ]


def test_archive_with_fewer_orders_is_told_and_each_that_is_missing(engine: Engine, tmp_path: Path) -> None:
    counted, missing = problems_once_it_holds(engine, tmp_path, rewritten(lambda lines: lines[:1]))
    assert counted == "holds [1, 6, 1, 0] orders, events, attempts and transactions"
    assert "say different things" in missing


def test_order_whose_events_are_not_what_was_written_is_told(engine: Engine, tmp_path: Path) -> None:
    def change(lines: Lines) -> Lines:
        lines[0]["events"][2]["data"] = {"code": "NO_ROUTE"}
        return lines

    (problem,) = problems_once_it_holds(engine, tmp_path, rewritten(change))
    assert "is not what was written" in problem


def test_order_whose_last_hash_the_archive_lacks_is_told_beside_what_the_record_says(
    engine: Engine, tmp_path: Path
) -> None:
    def change(lines: Lines) -> Lines:
        lines[0]["order"]["chain"] = None
        return lines

    *different, problem = problems_once_it_holds(engine, tmp_path, rewritten(change))
    assert ["say different things" in each for each in different] == [True, True]
    assert problem.endswith("another hash than its last event has")


def test_confirmed_order_is_told_that_has_no_transaction_where_the_archive_holds_them(
    engine: Engine, tmp_path: Path
) -> None:
    _counted, *problems = problems_once_it_holds(engine, tmp_path, lambda archive: archive, transactions=1)
    assert [problem.rpartition(": ")[2] for problem in problems] == [
        "confirmed, and no transaction of it landed"
    ] * 2


def test_order_that_was_canceled_needs_no_transaction(engine: Engine, tmp_path: Path) -> None:
    store, order = on_postgres(engine), an_order(account_id="alice")
    store.created(order)
    assert store.record.cancel("alice", order.order_id, NOON)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM unpublished"))
        connection.execute(text("UPDATE orders SET updated_at = now() - interval '40 days'"))
    assert archiving(engine, tmp_path).run().orders == 1
    with engine.begin() as connection:
        connection.execute(text("UPDATE archives SET transactions = 1"))
        found = archive_check(FolderArchiveStore(tmp_path)).violations(connection)
    assert [each.problem for each in found] == [
        "holds [1, 3, 0, 0] orders, events, attempts and transactions"
    ]
