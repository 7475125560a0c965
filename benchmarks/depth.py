"""The consumer's rate against the number of orders on record: ``python -m benchmarks.depth``.

One database for each depth, all on one server, and batches that take turns: whatever else the machine does
meanwhile meets all depths alike, so that their ratio says something where their rates would not. The fastest
tenth of the batches is what the machine disturbed least. Every second batch has a ``clientOrderId`` for each
order: ids that say nothing of their time belong anywhere in the indexes.

Ten million orders take half an hour to fill, and 30 GB. ``--server URL`` fills databases of a server of your
own, which stay, so that another run measures at once: ``--fill`` does nothing else, and ``psql`` drops them.
"""

import argparse
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final
from uuid import uuid4

from sqlalchemy import Engine, text
from sqlalchemy.engine import URL, make_url

from benchmarks.consumer import BATCH, ConsumerServices, consume, environment_for, prepared_batches
from benchmarks.depth_fill import TEMPLATES, TIME_LIMIT_S, fill, read_indexes
from benchmarks.depth_reads import log_bytes, milliseconds, print_growth, print_updates, sizes
from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.config import Settings
from chalicelib.logs import logger
from chalicelib.prepare import prepare

DEPTHS: Final = (100, 10_000, 1_000_000)
TURNS: Final = 100
WARM_UP_BATCHES: Final = 10
KEPT_UP_PARTS: Final = 11
KEPT_UP_BATCHES: Final = 10
_FORGET: Final = "DELETE FROM subscriptions"

_EXISTS: Final = text("SELECT count(*) > 0 FROM pg_database WHERE datname = :name")
# What the consumer did here ended longer ago than all else, so that it is archived first: only of executed
# orders does archiving read what it reads of real ones.
_OF_LONG_AGO: Final = """
UPDATE orders SET updated_at = updated_at - interval '4000 days'
WHERE account_id = 'local' AND accepted_at > now() - interval '1 day'
"""


@contextmanager
def record_of(
    server_url: str, orders: int, *, is_kept: bool, purpose: str = "depth"
) -> Iterator[ConsumerServices]:
    """Make a database with so many finished orders on record, unless it is there, and a consumer for it."""
    address = make_url(server_url).set(drivername="postgresql+psycopg")
    name = f"{purpose}_{orders}"
    if not (is_kept and _exists(address, name)):
        _make(address, name, orders)
    url = _shown(address.set(drivername="postgresql", database=name))
    use = ConsumerServices(Settings.from_env(environment_for(url, dict(os.environ))))
    yield use
    use.engine.dispose()


def _exists(server: URL, name: str) -> bool:
    engine = make_engine(_shown(server))
    with engine.connect() as connection:
        found = bool(connection.execute(_EXISTS, {"name": name}).scalar_one())
    engine.dispose()
    return found


def _make(server: URL, name: str, orders: int) -> None:
    """Fill a database under another name until it is complete: what was stopped half-way is made anew."""
    half = f"{name}_half"
    _run(make_engine(_shown(server)), [f"DROP DATABASE IF EXISTS {half}", f"CREATE DATABASE {half}"])
    address = server.set(database=half)
    url = _shown(address.set(drivername="postgresql"))
    prepare(url)
    use = ConsumerServices(Settings.from_env(environment_for(url, dict(os.environ))))
    consume(use, prepared_batches(use, TEMPLATES // BATCH))
    use.engine.dispose()
    filled = make_engine(_shown(address), time_limit_s=TIME_LIMIT_S)
    fill(filled, orders)
    filled.dispose()
    _run(make_engine(_shown(server)), [f"ALTER DATABASE {half} RENAME TO {name}"])


def _shown(address: URL) -> str:
    return address.render_as_string(hide_password=False)


def _run(engine: Engine, statements: Sequence[str]) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS, help="orders on record")
    parser.add_argument("--turns", type=int, default=TURNS, help="batches of ten for each depth")
    parser.add_argument("--server", metavar="URL", help="of an owner of databases that are to stay")
    parser.add_argument("--fill", action="store_true", help="only fill what is missing there")
    options = parser.parse_args()
    if options.fill and not options.server:
        parser.error("--fill needs --server")
    for line in environment_lines():
        print(line)
    logger.setLevel("WARNING")
    measure(options.depths, options.turns, server_url=options.server, only_fills=options.fill)


def measure(
    depths: Sequence[int], turns: int, *, server_url: str | None = None, only_fills: bool = False
) -> Mapping[int, float]:
    """Fill a database for each depth and let them take turns; print their rates,
    return their ratios to the first.

    Args:
        server_url: A server whose databases stay; without it one is made for this.
    """
    with ExitStack() as stack:
        url = server_url or stack.enter_context(running_instance({})).status["database_url"]
        uses = {}
        for depth in depths:
            print(f"a database with {depth:,} orders ...", flush=True)
            uses[depth] = stack.enter_context(record_of(url, depth, is_kept=server_url is not None))
        for use in uses.values():
            read_indexes(use.engine)
        if only_fills:
            return {}
        compared = _compared(_in_turns(uses, turns))
        for use in uses.values():
            _grow_old(use.engine)
        _print_reads(uses)
        if server_url is None:
            # Of its own: in the others is room that archived orders left, and new ones fill that first.
            _print_growth(stack.enter_context(record_of(url, depths[0], is_kept=False, purpose="growth")))
        return compared


def _grow_old(engine: Engine) -> None:
    engine = make_engine(_shown(engine.url), time_limit_s=TIME_LIMIT_S)
    with engine.begin() as connection:
        for statement in ("SET LOCAL session_replication_role = replica", _OF_LONG_AGO, _FORGET):
            connection.execute(text(statement))


def _print_growth(use: ConsumerServices) -> None:
    """Print what orders take once a table is so large that vacuum comes often, measured in its size: after
    each hundred of them, finished subscriptions are forgotten and dead rows removed.
    """
    before, written = sizes(use.engine), 0
    for part in range(KEPT_UP_PARTS):
        start = log_bytes(use.engine)
        consume(use, prepared_batches(use, KEPT_UP_BATCHES))
        written += log_bytes(use.engine) - start
        _run(use.engine, [_FORGET, "VACUUM"])
        if part == 0:  # it leaves the room that those after it use
            before, written = sizes(use.engine), 0
    orders = (KEPT_UP_PARTS - 1) * KEPT_UP_BATCHES * BATCH
    print_growth(before, sizes(use.engine), orders)
    print_updates(use.engine)
    print(f"{written / orders:,.0f} bytes of write-ahead log an order")


def _print_reads(uses: Mapping[int, ConsumerServices]) -> None:
    print(
        f"\n{'orders on record':>16}{'page, ms':>12}{'everything, ms':>16}{'sweep, ms':>12}"
        f"{'archive, ms/1,000':>20}{'bytes':>8}"
    )
    for depth, use in uses.items():
        found = milliseconds(use.engine, "local")
        print(
            f"{depth:>16,}{found['page']:>12.1f}{found['subscribe']:>16.1f}{found['sweep']:>12.1f}"
            f"{found['archive']:>20.0f}{found['bytes']:>8.0f}"
        )


def _in_turns(uses: Mapping[int, ConsumerServices], turns: int) -> Mapping[int, Sequence[float]]:
    """Return how long each batch took, in seconds."""
    for use in uses.values():
        consume(use, prepared_batches(use, WARM_UP_BATCHES))
    taken_s: dict[int, list[float]] = {depth: [] for depth in uses}
    run = uuid4().hex[:8]
    for turn in range(turns):
        # Each is first, last and between the others as often.
        start = turn % len(uses)
        for depth in [*uses, *uses][start : start + len(uses)]:
            # Made a moment before: an order that has waited for a minute would expire instead of executing.
            batches = prepared_batches(uses[depth], 1, key_prefix=f"{run} {turn} " if turn % 2 else None)
            taken_s[depth].append(consume(uses[depth], batches))
    return taken_s


def _compared(taken_s: Mapping[int, Sequence[float]]) -> Mapping[int, float]:
    turns = len(next(iter(taken_s.values())))
    print(f"\n{turns} batches of {BATCH} for each depth, in turns")
    print(
        f"{'orders on record':>16}{'median, orders/s':>18}{'of the first':>14}"
        f"{'fastest tenth':>15}{'of the first':>14}"
    )
    medians = {depth: statistics.median(times) for depth, times in taken_s.items()}
    tenths = {depth: statistics.quantiles(times, n=10)[0] for depth, times in taken_s.items()}
    for depth in taken_s:
        shown = f"{depth:>16,}"
        for found, width in ((medians, 18), (tenths, 15)):
            shown += f"{BATCH / found[depth]:>{width}.0f}{next(iter(found.values())) / found[depth]:>14.0%}"
        print(shown)
    first = next(iter(tenths.values()))
    return {depth: first / tenth for depth, tenth in tenths.items()}


if __name__ == "__main__":
    main()
