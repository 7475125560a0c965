"""The consumer's rate against the number of orders on record: ``python -m benchmarks.depth``.

One database for each depth, all on one server, and batches that take turns: whatever else the machine does
meanwhile meets all depths alike, so that their ratio says something where their rates would not. The fastest
tenth of the batches is what the machine disturbed least.
"""

import argparse
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from benchmarks.consumer import BATCH, ConsumerServices, consume, environment_for, prepared_batches
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

# The constraints hold by construction, and checking seven million
# references takes longer than writing the rows.
_UNCHECKED: Final = "SET session_replication_role = replica"

# Finished orders of a thousand accounts, the load's own among them, each with what a confirmed
# order leaves behind: six events, an attempt, a transaction in the ledger. What they say does
# not matter, how many they are does. All of them ended long ago, so that archiving has something to do.
_FILL: Final = (
    """
    INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
        price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt,
        tx_signature, input_units, output_units, fence, lease_until, updated_at)
    SELECT md5('order ' || n)::uuid, CASE n % 1000 WHEN 0 THEN 'local' ELSE 'account ' || n % 1000 END,
        'market', 'exact_in', 'SOL', 'USDC', 1000000000, 'SOL', 50, moment, moment + interval '1 minute',
        repeat('0', 64), 'confirmed', 6, 1, 'signature ' || n, 1000000000, 150000000, 1, moment,
        moment - interval '40 days'
    FROM (
        SELECT n, now() - n * interval '1 second' AS moment
        FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
    ) AS x
    """,
    """
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
    SELECT md5('order ' || o)::uuid, n,
        (ARRAY['pending', 'routing', 'routed', 'building', 'submitted', 'confirmed'])[n], 1, now(), '{}'
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS o CROSS JOIN generate_series(1, 6) AS n
    """,
    """
    INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,
        quoted_out_units, threshold_units, fence, outcome, resolved_at)
    SELECT 'signature ' || n, md5('order ' || n)::uuid, 1, '', 1, 1, 1, 1, 1, 'landed', now()
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
    """,
    """
    INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt, input_units,
        output_units, legs, landed_at)
    SELECT 'signature ' || n, 1, 1, 'account', md5('order ' || n)::uuid, 1, 1000000000, 150000000, '[]', now()
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
    """,
)
_FILLED_AT_ONCE: Final = 100_000
_TIME_LIMIT_S: Final = 600
"""For a statement that fills or vacuums a database."""


@contextmanager
def record_of(server_url: str, orders: int) -> Iterator[ConsumerServices]:
    """Make a database with so many finished orders on record, and a consumer for it."""
    address = make_url(server_url).set(drivername="postgresql+psycopg")
    name = f"depth_{orders}"
    _run(make_engine(address.render_as_string(hide_password=False)), [f"CREATE DATABASE {name}"])
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    prepare(url)
    _fill(address.set(database=name).render_as_string(hide_password=False), orders)
    use = ConsumerServices(Settings.from_env(environment_for(url, dict(os.environ))))
    yield use
    use.engine.dispose()


def _fill(url: str, orders: int) -> None:
    """Write so many orders in parts, and leave the tables as autovacuum would."""
    engine = make_engine(url, time_limit_s=_TIME_LIMIT_S)
    for first in range(1, orders + 1, _FILLED_AT_ONCE):
        part = {"first": first, "last": min(orders, first + _FILLED_AT_ONCE - 1)}
        _run(engine, [_UNCHECKED, *_FILL], part)
    _run(engine, ["VACUUM ANALYZE"])


def _run(engine: Engine, statements: Sequence[str], parameters: Mapping[str, int] | None = None) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            wanted = parameters if parameters and ":first" in statement else {}
            connection.execute(text(statement), wanted)
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS, help="orders on record")
    parser.add_argument("--turns", type=int, default=TURNS, help="batches of ten for each depth")
    options = parser.parse_args()
    for line in environment_lines():
        print(line)
    logger.setLevel("WARNING")
    measure(options.depths, options.turns)


def measure(depths: Sequence[int], turns: int) -> Mapping[int, float]:
    """Fill a database for each depth and let them take turns; print their rates,
    return their ratios to the first.
    """
    with ExitStack() as stack:
        instance = stack.enter_context(running_instance({}))
        uses = {}
        for depth in depths:
            print(f"filling a database with {depth:,} orders ...", flush=True)
            uses[depth] = stack.enter_context(record_of(instance.status["database_url"], depth))
        compared = _compared(_in_turns(uses, turns))
        _print_growth(uses[depths[0]])
        _print_reads(uses)
        return compared


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
        f"{'archive, ms/1,000':>20}"
    )
    for depth, use in uses.items():
        found = milliseconds(use.engine, "local")
        print(
            f"{depth:>16,}{found['page']:>12.1f}{found['subscribe']:>16.1f}{found['sweep']:>12.1f}"
            f"{found['archive']:>20.0f}"
        )


def _in_turns(uses: Mapping[int, ConsumerServices], turns: int) -> Mapping[int, Sequence[float]]:
    """Return how long each batch took, in seconds."""
    for use in uses.values():
        consume(use, prepared_batches(use, WARM_UP_BATCHES))
    batches = {depth: prepared_batches(use, turns) for depth, use in uses.items()}
    taken_s: dict[int, list[float]] = {depth: [] for depth in uses}
    for turn in range(turns):
        # Each is first, last and between the others as often.
        start = turn % len(uses)
        for depth in [*uses, *uses][start : start + len(uses)]:
            taken_s[depth].append(consume(uses[depth], [batches[depth][turn]]))
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
