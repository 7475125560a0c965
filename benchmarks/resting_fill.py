"""A database with any number of resting orders over all pairs of the market, none of them met."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.routing.marginal import MarginalRates
from chalicelib.services.resting.prices import Prices

PART: Final = 25_000
_TIME_LIMIT_S: Final = 600
_RATE_IN: Final = 10**12

# The rows are right by construction, and checking two million references takes longer than writing them.
_UNCHECKED: Final = text("SET session_replication_role = replica")

_PAIRS: Final = text("""
INSERT INTO watch_pairs (input_token, output_token) VALUES (:input_token, :output_token)
ON CONFLICT DO NOTHING
""")

# Four of five are limits above the market, the others stops below it, which look at the mark. Of a thousand
# accounts, none of which has a connection.
_FILL: Final = text("""
WITH made AS (
    SELECT gen_random_uuid() AS order_id, 'account ' || n % 1000 AS account_id, n / :pairs % 5 = 0 AS is_stop,
        now() - n * interval '100 milliseconds' AS moment,
        p.pair_id, p.input_token, p.output_token,
        round((r.rate * :rate_in * CASE WHEN n / :pairs % 5 = 0 THEN 0.2 + 0.7 * random()
            ELSE 1.1 + random() END)::numeric) + 1 AS rate_out
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
    JOIN jsonb_to_recordset(CAST(:rates AS jsonb))
        AS r (place int, input_token text, output_token text, rate float8) ON r.place = n % :pairs
    JOIN watch_pairs AS p USING (input_token, output_token)
), record AS (
    INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
        price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt, fence,
        lease_until, time_in_force, limit_terms, trigger_terms)
    SELECT order_id, account_id, CASE WHEN is_stop THEN 'market' ELSE 'limit' END, 'exact_in', input_token,
        output_token, 1000000000, input_token, CASE WHEN is_stop THEN 2000 END, moment,
        moment + interval '30 days', repeat('0', 64), 'open', 2, 1, 1, moment, 'gtd',
        CASE WHEN NOT is_stop THEN jsonb_build_object('price', (rate_out / :rate_in)::text, 'rate',
            jsonb_build_object('output_units', rate_out, 'input_units', CAST(:rate_in AS bigint))) END,
        CASE WHEN is_stop THEN jsonb_build_object('price', (rate_out / :rate_in)::text, 'rate',
            jsonb_build_object('output_units', rate_out, 'input_units', CAST(:rate_in AS bigint)),
            'when', 'below', 'direction', 'at_most', 'source', 'mark', 'confirmations', 2,
            'if_already_met', 'refuse') END
    FROM made
), told AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
    SELECT order_id, n, (ARRAY['pending', 'open'])[n], 1, moment, '{}'
    FROM made CROSS JOIN generate_series(1, 2) AS n
)
INSERT INTO watches (order_id, accepted_at, wake_at, since_height, pair_id, look, armed, direction, rate_out,
    rate_in, wake_key)
SELECT order_id, moment, moment + interval '30 days', 0, pair_id, CASE WHEN is_stop THEN 2 ELSE 0 END, true,
    CASE WHEN is_stop THEN 'at_most' ELSE 'at_least' END, rate_out, CAST(:rate_in AS numeric),
    rate_out / :rate_in
FROM made
""")

_SIZES: Final = text("""
SELECT pg_total_relation_size('watches') AS watches, pg_table_size('watches') AS watch_rows,
    pg_total_relation_size('orders') + pg_total_relation_size('order_events') AS record
""")


def market_rates(prices: Prices) -> Sequence[Mapping[str, Any]]:
    """Return each pair that has a pool of its own, in both directions, with its best marginal rate."""
    rates = MarginalRates(prices.pools, prices.now_s, prices.slot)
    tokens = sorted({pool.tokens for pool in prices.pools})
    pairs = [pair for one, other in tokens for pair in ((one, other), (other, one))]
    found = [(pair, rates.best(*pair)) for pair in dict.fromkeys(pairs)]
    return [
        {
            "place": place,
            "input_token": pair[0],
            "output_token": pair[1],
            "rate": rate.output_units / rate.input_units,
        }
        for place, (pair, rate) in enumerate(found)
        if rate is not None
    ]


def fill(database_url: str, orders: int, rates: Sequence[Mapping[str, Any]]) -> None:
    """Write so many resting orders in parts, and leave the tables as autovacuum would, and all of it on disk.

    Args:
        database_url: Of who owns the tables.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    engine = make_engine(database_url, time_limit_s=_TIME_LIMIT_S)
    with (
        Progress(*columns) as progress,
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        bar = progress.add_task("Orders put to rest", total=orders)
        connection.execute(_UNCHECKED)
        connection.execute(
            _PAIRS, [{name: each[name] for name in ("input_token", "output_token")} for each in rates]
        )
        for first in range(1, orders + 1, PART):
            last = min(orders, first + PART - 1)
            _fill_part(connection, first, last, rates)
            progress.advance(bar, last - first + 1)
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
    engine.dispose()


def _fill_part(connection: Connection, first: int, last: int, rates: Sequence[Mapping[str, Any]]) -> None:
    parameters = {
        "first": first,
        "last": last,
        "pairs": len(rates),
        "rate_in": _RATE_IN,
        "rates": json.dumps(rates),
    }
    connection.execute(_FILL, parameters)


def sizes(engine: Engine, orders: int) -> Mapping[str, float]:
    """Return what a resting order takes in Postgres, in bytes."""
    with engine.connect() as connection:
        found = connection.execute(_SIZES).one()
    return {
        "bytes per resting order, watches with indexes": found.watches / orders,
        "of them in the table": found.watch_rows / orders,
        "bytes per resting order, orders and events": found.record / orders,
    }
