"""What vacuum's settings do under full rate: ``python -m benchmarks.vacuum``.

A consumer works as fast as it can for minutes, while another process archives an order of long ago for each
that it executes and what follows finished orders is forgotten: rows of all tables die as fast as they come.
With the settings that migrations gave the tables, and with the server's own, in turns, each on a copy of the
same filled database. For each run: the rate by windows, how often each table was vacuumed and for how long,
what was dead in the end, and by how much tables and indexes grew.

Inserts bring vacuum when Postgres 16 would have it come, which is what a stage runs on: after a fifth of the
table, whereas 18 leaves frozen pages out of account and vacuums tables like these each minute by itself.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from benchmarks.archiving import run_alone
from benchmarks.consumer import BATCH, ConsumerServices, consume, environment_for, prepared_batches
from benchmarks.depth import record_of
from benchmarks.depth_fill import TIME_LIMIT_S
from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.archiving import archive_store, archiver
from chalicelib.config import Settings
from chalicelib.logs import logger
from chalicelib.services.archive.archiver import PART_MAX

ORDERS: Final = 300_000
SECONDS: Final = 210
PAIRS: Final = 2
WINDOW_S: Final = 5.0
COPY: Final = "vacuum_copy"
TABLES: Final = ("orders", "order_events", "attempts", "subscriptions")

_DEFAULTS: Final = tuple(
    f"""ALTER TABLE {table} RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_scale_factor, autovacuum_analyze_scale_factor)"""
    for table in (*TABLES, "watches")
)
_VARIANTS: Final[Mapping[str, Sequence[str]]] = {"migrated": (), "own": _DEFAULTS}
# Of a row for each order that was filled in: the threshold and scale factor of inserts.
_ROWS_OF_AN_ORDER: Final = {"orders": 1, "order_events": 6, "attempts": 1, "subscriptions": 0}
_INSERTS: Final = 1_000
_INSERTS_SCALE: Final[Mapping[str, Mapping[str, float]]] = {
    "migrated": {"order_events": 0.05},
    "own": {},
}
_INSERTS_SCALE_OWN: Final = 0.2
_FORGET: Final = text("DELETE FROM subscriptions WHERE updated_at < now() - interval '20 seconds'")
_TOLD: Final = text("""
SELECT s.relname AS name, n_dead_tup AS dead, n_live_tup AS live, autovacuum_count AS vacuums,
    total_autovacuum_time AS vacuum_ms, pg_table_size(relid) AS bytes, pg_indexes_size(relid) AS index_bytes
FROM pg_stat_user_tables s WHERE schemaname = 'public' AND relname = ANY(:tables)
""")
_SHOWN_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """One run: orders/s by window, how many were archived, and each table before and after."""

    rates: Sequence[float]
    archived: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def main() -> None:
    options = _parser().parse_args()
    for line in environment_lines():
        print(line)
    logger.setLevel("WARNING")
    with ExitStack() as stack:
        server = options.server or stack.enter_context(running_instance({})).status["database_url"]
        stack.enter_context(record_of(server, options.orders, is_kept=options.server is not None))
        measure(server, options.orders, options.variants, seconds=options.seconds, pairs=options.pairs)


def measure(server: str, orders: int, variants: Sequence[str], *, seconds: float, pairs: int) -> None:
    """Run the variants in turns and print what each run came to."""
    for pair in range(pairs):
        for name in variants if pair % 2 == 0 else reversed(variants):
            settings = [*_VARIANTS[name], *_as_postgres_16(name, orders)]
            _print(name, _run(server, f"depth_{orders}", settings, seconds))


def _as_postgres_16(variant: str, orders: int) -> Iterator[str]:
    for table in TABLES:
        scale = _INSERTS_SCALE[variant].get(table, _INSERTS_SCALE_OWN)
        inserts = _INSERTS + int(scale * _ROWS_OF_AN_ORDER[table] * orders)
        yield (
            f"ALTER TABLE {table} SET (autovacuum_vacuum_insert_scale_factor = 0,"
            f" autovacuum_vacuum_insert_threshold = {inserts})"
        )


def _run(server: str, filled: str, settings: Sequence[str], seconds: float) -> Run:
    url = make_url(server).set(database=COPY).render_as_string(hide_password=False)
    run_alone(server, f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
    run_alone(server, f"CREATE DATABASE {COPY} TEMPLATE {filled}", "CHECKPOINT")
    run_alone(url, *settings)
    use = ConsumerServices(Settings.from_env(environment_for(url, dict(os.environ))))
    watching = make_engine(url, time_limit_s=TIME_LIMIT_S)
    before, rates, orders = _told(watching), [], 0
    with _archiving(url) as (consumed, archived):
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            started, done = time.monotonic(), 0
            while time.monotonic() < started + WINDOW_S:
                consume(
                    use, prepared_batches(use, 1, key_prefix=f"{uuid4().hex[:8]} " if orders % 20 else None)
                )
                done, orders = done + BATCH, orders + BATCH
                consumed.value = orders
            rates.append(done / (time.monotonic() - started))
            with watching.begin() as connection:
                connection.execute(_FORGET)
        found = Run(rates, archived.value, before, _told(watching))
    use.engine.dispose()
    watching.dispose()
    run_alone(server, f"DROP DATABASE {COPY} WITH (FORCE)")
    return found


@contextmanager
def _archiving(url: str) -> Iterator[tuple[Any, Any]]:
    """Archive beside: no part more than were consumed; yield how many that may be, and how many it was."""
    spawn = get_context("spawn")
    consumed, archived, stopped = spawn.Value("q", 0), spawn.Value("q", 0), spawn.Event()
    process = spawn.Process(target=_archive, args=(url, consumed, archived, stopped))
    process.start()
    try:
        yield consumed, archived
    finally:
        stopped.set()
        process.join()


def _archive(url: str, consumed: Any, archived: Any, stopped: Any) -> None:
    logger.setLevel("WARNING")
    parts = 0

    def may_go_on(_seconds: float) -> bool:
        nonlocal parts
        while parts * PART_MAX > consumed.value:
            if stopped.wait(0.05):
                return False
        parts += 1
        return not stopped.is_set()

    def count(orders: int) -> None:
        archived.value += orders

    with TemporaryDirectory() as folder:
        archiver(make_engine(url), archive_store(folder, region=""), retention_days=30).run(may_go_on, count)


def _told(engine: Engine) -> Mapping[str, Any]:
    with engine.connect() as connection:
        # What sessions did in the last moments is told when they are idle, once a second.
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        return {row.name: row for row in connection.execute(_TOLD, {"tables": list(TABLES)})}


def _print(name: str, run: Run) -> None:
    middle = statistics.median(run.rates)
    ordered = sorted(run.rates)
    lowest, tenth = ordered[0], ordered[len(ordered) // 10]
    print(
        f"\n{name}: {middle:,.0f} orders/s, a tenth of {len(ordered)} windows under {tenth / middle:.2f} "
        f"of it, the slowest {lowest / middle:.2f}; {run.archived:,} archived beside"
    )
    print(
        f"{'':>16}{'vacuums':>8}{'their s':>9}{'dead now':>10}{'of live':>9}"
        f"{'table, MiB':>16}{'indexes, MiB':>18}"
    )
    for table in TABLES:
        was, is_ = run.before[table], run.after[table]
        grown = [
            f"{is_old / _SHOWN_MIB:.0f} to {is_new / _SHOWN_MIB:.0f}"
            for is_old, is_new in ((was.bytes, is_.bytes), (was.index_bytes, is_.index_bytes))
        ]
        print(
            f"{table:>16}{is_.vacuums - was.vacuums:>8}{(is_.vacuum_ms - was.vacuum_ms) / 1_000:>9.1f}"
            f"{is_.dead:>10,}{is_.dead / max(1, is_.live):>9.1%}{grown[0]:>16}{grown[1]:>18}",
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=ORDERS, help="on record at the beginning")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each run")
    parser.add_argument("--variants", nargs="+", choices=_VARIANTS, default=list(_VARIANTS), help="in turns")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument(
        "--server", metavar="URL", help="of an owner of databases; what is filled stays there"
    )
    return parser


if __name__ == "__main__":
    main()
