"""What is read and kept at one depth.

A page, a subscription to everything, the sweep, archiving, bytes an order.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.adapters.postgres.order_queries import PostgresOrderQueries
from chalicelib.adapters.postgres.subscriptions import PostgresSubscriptions
from chalicelib.bootstrap.archiving import archive_store, archiver
from chalicelib.services.recovery.sweeper import SweepPart
from chalicelib.services.recovery.turns import Rest

TIMES: Final = 15
PARTS: Final = 2
PAGE: Final = 101

_SIZES: Final = text("""
SELECT schemaname || '.' || relname AS name, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables
WHERE schemaname IN ('public', 'market')
""")


_UPDATES: Final = text("""
SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname IN ('orders', 'attempts')
""")


def log_bytes(engine: Engine) -> int:
    """Return how far the server has written its log."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'")).scalar_one())


def print_updates(engine: Engine) -> None:
    """Print how many updates were in place, so that no index was touched."""
    with engine.connect() as connection:
        for name, all_of_them, in_place in connection.execute(_UPDATES):
            print(f"{name:>32}: {in_place:,} of {all_of_them:,} updates in place")


def sizes(engine: Engine) -> dict[str, int]:
    """Return the bytes of each table with its indexes."""
    with engine.connect() as connection:
        return {row.name: row.bytes for row in connection.execute(_SIZES)}


def print_growth(before: Mapping[str, int], after: Mapping[str, int], orders: int) -> float:
    """Print what an order added to each table, the greatest first; return the sum in bytes."""
    grown = {name: (after[name] - before.get(name, 0)) / orders for name in after}
    total = sum(grown.values())
    print(f"\n{total:,.0f} bytes an order, indexes included, over {orders:,} orders")
    for name, each in sorted(grown.items(), key=lambda item: -item[1]):
        if each >= 1:
            print(f"{name:>32}{each:>10,.0f}")
    return total


def milliseconds(engine: Engine, account_id: str) -> dict[str, float]:
    """Return the median time of each kind of reading, in milliseconds; archiving is per thousand orders, and
    ``bytes`` what one of them takes in its archive.
    """
    queries, subscriptions = PostgresOrderQueries(engine), PostgresSubscriptions(engine)
    housekeeping = PostgresHousekeeping(engine)

    def page() -> None:
        assert queries.page(account_id, status=None, limit=PAGE, before=None)

    def subscribe() -> None:
        connection_id = uuid4().hex
        subscriptions.subscribe_account(connection_id, account_id)
        subscriptions.remove(connection_id, None)

    def sweep() -> None:
        _whole(partial(housekeeping.stranded_orders, limit=1_000))
        housekeeping.unpublished_orders(limit=1_000)
        _whole(partial(housekeeping.subscriptions_behind, limit=1_000))
        housekeeping.expired_connections(limit=100)
        while housekeeping.forget_finished(limit=1_000).is_more:
            pass

    found = {"page": _median(page), "subscribe": _median(subscribe), "sweep": _median(sweep)}
    return found | _archiving(engine)


def _whole(part_of: Callable[[Rest], SweepPart[Any]]) -> None:
    rest: Rest | None = Rest()
    while rest is not None:
        rest = part_of(rest).rest


def _archiving(engine: Engine) -> dict[str, float]:
    turns = iter(range(PARTS))
    with TemporaryDirectory() as folder:
        use_case = archiver(engine, archive_store(folder, region=""), retention_days=30)
        started = time.perf_counter()
        done = use_case.run(lambda _: next(turns, None) is not None)
        taken_s = time.perf_counter() - started
        kept = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    assert done.orders, "nothing to archive"
    assert not done.refused
    return {"archive": taken_s * 1_000 / done.orders * 1_000, "bytes": kept / done.orders}


def _median(act: Callable[[], None]) -> float:
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1_000
