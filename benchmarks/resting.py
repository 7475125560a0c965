"""What a price change costs while orders rest: ``python -m benchmarks.resting``, ``--orders 1000000``.

Limit orders and stops over all pairs of six tokens, none of them met. Then prices change: by so little that
nothing fires, and by so much that a hundred orders do. A change is timed from the moment its pools are known
to the moment the messages of all that fired are handed to the queue; the consumers' part comes after that.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from random import Random
from time import perf_counter
from typing import Any, Final

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url

from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.round_trips import Wire
from benchmarks.shapes import percentile
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.watches import PostgresWatches
from chalicelib.amm.raydium_cpmm import CpmmFees, CpmmPool
from chalicelib.domain.watches import Fired
from chalicelib.routing.marginal import MarginalRates
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.ports import QueueMessage
from chalicelib.services.resting.matcher import Matcher
from chalicelib.services.resting.thresholds import Prices

ORDERS: Final = 1_000_000
QUIET_CHANGES: Final = 200
FIRING_CHANGES: Final = 30
FIRED: Final = 100
TOKENS: Final = tuple("ABCDEF")
DEPTH: Final = 10**13
_RATE_IN: Final = 10**12

_FILL_TIME_LIMIT_S: Final = 600

# The rows are right by construction, and checking two million references takes longer than writing them.
_UNCHECKED: Final = "SET session_replication_role = replica"

_PAIRS: Final = "INSERT INTO watch_pairs (input_token, output_token) VALUES (:input_token, :output_token)"

# Four of five are limits above the market, the others stops below it, which look at the mark.
_ORDERS: Final = """
INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
    price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt, fence,
    lease_until, time_in_force, limit_terms, trigger_terms)
SELECT gen_random_uuid(), 'account ' || n % 1000, CASE WHEN is_stop THEN 'market' ELSE 'limit' END,
    'exact_in',
    p.input_token, p.output_token, 1000000000, p.input_token, CASE WHEN is_stop THEN 2000 END, moment,
    moment + interval '30 days', repeat('0', 64), 'open', 2, 1, 1, moment, 'gtd',
    CASE WHEN NOT is_stop
        THEN '{"price": "155.25", "rate": {"output_units": 621, "input_units": 4000}}'::jsonb END,
    CASE WHEN is_stop THEN '{"price": "140", "rate": {"output_units": 7, "input_units": 50}, "when": "below",
        "direction": "at_most", "source": "mark", "confirmations": 2, "if_already_met": "refuse"}'::jsonb END
FROM (SELECT n, n / 30 % 5 = 0 AS is_stop, now() - n * interval '1 second' AS moment
      FROM generate_series(1, CAST(:orders AS int)) AS n) AS x
JOIN (SELECT *, row_number() OVER (ORDER BY pair_id) - 1 AS place, count(*) OVER () AS pairs
    FROM watch_pairs) AS p
  ON p.place = x.n % p.pairs
"""

_EVENTS: Final = """
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT order_id, n, (ARRAY['pending', 'open'])[n], 1, accepted_at, '{}'
FROM orders CROSS JOIN generate_series(1, 2) AS n
"""

_WATCHES: Final = """
INSERT INTO watches (order_id, accepted_at, wake_at, since_height, pair_id, look, armed, direction, rate_out,
    rate_in,
    wake_key)
SELECT order_id, accepted_at, valid_until, 0, p.pair_id, CASE order_type WHEN 'limit' THEN 0 ELSE 2 END, true,
    CASE order_type WHEN 'limit' THEN 'at_least' ELSE 'at_most' END, rate_out, CAST(:rate_in AS numeric),
    rate_out / CAST(:rate_in AS numeric)
FROM orders JOIN watch_pairs AS p USING (input_token, output_token)
JOIN jsonb_to_recordset(CAST(:rates AS jsonb)) AS r (input_token text, output_token text, rate float8)
    USING (input_token, output_token)
CROSS JOIN LATERAL (SELECT round(CAST(
    r.rate * CAST(:rate_in AS float8) * CASE order_type WHEN 'limit' THEN 1.02 + random()
        ELSE 0.2 + 0.75 * random() END
    AS numeric)) AS rate_out) AS made
"""

# Some of a pair's limits come as near to the market as the next change will go.
_BRING_NEAR: Final = text("""
UPDATE watches SET armed = true, fired_at = NULL, sent_at = NULL, fired_by = NULL, rate_out = near.rate_out,
    wake_key = near.rate_out / CAST(:rate_in AS numeric)
FROM (SELECT order_id, round(CAST(:rate AS numeric) * (1.0005 + 0.001 * random())::numeric * CAST(:rate_in
    AS numeric))
          AS rate_out
      FROM watches WHERE direction = 'at_least' AND look = 0
        AND pair_id = (SELECT pair_id FROM watch_pairs WHERE (input_token, output_token) = ('A', 'B'))
      ORDER BY wake_key DESC LIMIT :fired) AS near
WHERE watches.order_id = near.order_id
""")

_SIZES: Final = text("""
SELECT pg_total_relation_size('watches') AS watches, pg_table_size('watches') AS watch_rows,
    pg_total_relation_size('orders') + pg_total_relation_size('order_events') AS record
""")


class Noted:
    """The queue's end of it: keeps count, costs nothing."""

    def __init__(self) -> None:
        self.count = 0

    def send(self, messages: Sequence[QueueMessage]) -> None:
        self.count += len(messages)

    def check(self) -> None:
        """Always there."""

    def retry_in(self, seconds: Mapping[str, int]) -> None:
        """Nothing is received."""


class Prices15:
    """Pools of all pairs of six tokens, one of which moves."""

    def __init__(self) -> None:
        self.height = 1_000
        self._still = CpmmPool(DEPTH, DEPTH, CpmmFees(2_500, 0, 0))
        self._pools = [
            RoutablePool(f"{one}{other}", "venue", (one, other), self._still)
            for one, other in combinations(TOKENS, 2)
        ]

    def moved(self, ratio: float) -> Prices:
        """Return the market after the first pool's price went to so much of what it was at the beginning."""
        self.height += 1
        state = replace(self._still, reserve_1=round(DEPTH * ratio))
        return Prices([self._pools[0]._replace(state=state), *self._pools[1:]], 0, 0, self.height)


def fill(server_url: str, orders: int) -> str:
    """Make a database with so many resting orders; return its URL."""
    address = make_url(server_url).set(drivername="postgresql+psycopg")
    _run(address.render_as_string(hide_password=False), ["CREATE DATABASE resting"])
    url = make_url(server_url).set(database="resting").render_as_string(hide_password=False)
    from chalicelib.prepare import prepare

    prepare(url)
    market = Prices15().moved(1.0)
    rates = MarginalRates(market.pools, 0)
    names = [(one, other) for one in TOKENS for other in TOKENS if one != other]
    found = [(pair, rates.best(*pair)) for pair in names]
    listed = ", ".join(
        f'{{"input_token": "{pair[0]}", "output_token": "{pair[1]}",'
        f' "rate": {rate.output_units / rate.input_units}}}'
        for pair, rate in found
        if rate is not None
    )
    filler = address.set(database="resting").render_as_string(hide_password=False)
    pairs = [{"input_token": one, "output_token": other} for one, other in names]
    # As autovacuum would leave it.
    statements = [_UNCHECKED, _ORDERS, _EVENTS, _WATCHES, "VACUUM ANALYZE"]
    engine = make_engine(filler)
    with engine.begin() as connection:
        connection.execute(text(_PAIRS), pairs)
    engine.dispose()
    _run(filler, statements, {"orders": orders, "rates": f"[{listed}]", "rate_in": _RATE_IN})
    return url


def _run(url: str, statements: Sequence[str], parameters: Mapping[str, Any] | None = None) -> None:
    engine = make_engine(url, time_limit_s=_FILL_TIME_LIMIT_S)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            named = {name: value for name, value in (parameters or {}).items() if f":{name}" in statement}
            connection.execute(text(statement), named)
    engine.dispose()


def _message(fired: Fired) -> QueueMessage:
    return QueueMessage(str(fired.order_id), fired.account_id)


def measure(url: str, orders: int) -> Mapping[str, float]:
    """Print what changes cost; return the figures by name."""
    engine = make_engine(url)
    wire = Wire()
    event.listen(engine, "connect", wire.connected)
    queue, market, random = Noted(), Prices15(), Random(1)
    matcher = Matcher(PostgresWatches(engine), queue, _message)
    for _ in range(20):
        matcher.match(market.moved(1.0), changed=["AB"])
    wire.reset()
    quiet = [_timed(matcher, market.moved(1 + random.uniform(-0.0004, 0.0004))) for _ in range(QUIET_CHANGES)]
    assert queue.count == 0
    asked = wire.round_trips.total() / QUIET_CHANGES
    firing = []
    for _ in range(FIRING_CHANGES):
        _bring_near(engine, market)
        firing.append(_timed(matcher, market.moved(1.002)))
    assert queue.count == FIRED * FIRING_CHANGES, queue.count
    with engine.connect() as connection:
        sizes = connection.execute(_SIZES).one()
    engine.dispose()
    figures = {
        "fires nothing, p50, ms": statistics.median(quiet),
        "fires nothing, p99, ms": percentile(sorted(quiet), 0.99),
        "fires nothing, round trips": asked,
        f"fires {FIRED}, p50, ms": statistics.median(firing),
        f"fires {FIRED}, p99, ms": percentile(sorted(firing), 0.99),
        "bytes per resting order, watches": sizes.watches / orders,
        "of them in the table": sizes.watch_rows / orders,
        "bytes per resting order, orders and events": sizes.record / orders,
    }
    print(f"\n{orders:,} resting orders over {len(TOKENS) * (len(TOKENS) - 1) // 2} pairs")
    for name, figure in figures.items():
        print(f"{name:<46}{figure:>10,.2f}")
    return figures


def _bring_near(engine: Engine, market: Prices15) -> None:
    rate = MarginalRates(market.moved(1.0).pools, 0).best("A", "B")
    assert rate is not None
    parameters = {"rate": rate.output_units / rate.input_units, "rate_in": _RATE_IN, "fired": FIRED}
    with engine.begin() as connection:
        connection.execute(_BRING_NEAR, parameters)


def _timed(matcher: Matcher, prices: Prices) -> float:
    """Return how long a change took, in ms."""
    start = perf_counter()
    matcher.match(prices, changed=["AB"])
    return (perf_counter() - start) * 1_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=ORDERS, help="that rest")
    options = parser.parse_args()
    for line in environment_lines():
        print(line)
    with running_instance({}) as instance:
        start = perf_counter()
        print(f"filling a database with {options.orders:,} resting orders ...", flush=True)
        url = fill(instance.status["database_url"], options.orders)
        print(f"{perf_counter() - start:.0f} s", flush=True)
        measure(url, options.orders)


if __name__ == "__main__":
    main()
