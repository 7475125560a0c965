"""The consumer's rate against the number of orders on record: ``python -m benchmarks.depth``."""

import argparse
import os
import statistics
from contextlib import ExitStack
from typing import Final

from sqlalchemy import Engine, text

from benchmarks.consumer import BATCH, ConsumerServices, consume, environment_for, prepared_batches
from benchmarks.environment import environment_lines
from benchmarks.instance import running_instance
from benchmarks.shapes import spread
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.config import Settings
from chalicelib.logs import logger

DEPTHS: Final = (100, 10_000, 1_000_000)
BATCHES: Final = 50
RUNS: Final = 3

# Finished orders with the two events that queries look at; their content does not matter, their number does.
_FILL: Final = text("""
WITH filled AS (
    INSERT INTO orders (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,
        price_base, slippage_bps, accepted_at, valid_until, content_sha256, status, seq, attempt, failure_code,
        fence, lease_until)
    SELECT gen_random_uuid(), 'account ' || n % 1000, 'market', 'exact_in', 'SOL', 'USDC', 1000000000, 'SOL', 50,
        now(), now() + interval '1 minute', repeat('0', 64), 'failed', 2, 1, 'NO_ROUTE', 1, now()
    FROM generate_series(1, CAST(:missing AS int)) AS n
    RETURNING order_id
)
INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data)
SELECT order_id, seq, CASE seq WHEN 1 THEN 'pending' ELSE 'failed' END, 1, now(), '{}'
FROM filled CROSS JOIN generate_series(1, 2) AS seq
""")


def fill(engine: Engine, depth: int) -> None:
    """Add finished orders until there are so many, then gather statistics as autovacuum would."""
    with engine.begin() as connection:
        held = connection.execute(text("SELECT count(*) FROM orders")).scalar_one()
        connection.execute(_FILL, {"missing": max(0, depth - held)})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS)
    options = parser.parse_args()
    for line in environment_lines():
        print(line)
    with ExitStack() as stack:
        instance = stack.enter_context(running_instance({}))
        address = instance.status["database_url"]
        use = ConsumerServices(Settings.from_env(environment_for(address, dict(os.environ))))
        logger.setLevel("WARNING")
        stack.callback(use.engine.dispose)
        # pg8000's reads end after five seconds here, and a million rows take longer.
        filler = make_engine(address.replace("postgresql://", "postgresql+psycopg://", 1))
        stack.callback(filler.dispose)
        consume(use, prepared_batches(use, 10))
        for depth in options.depths:
            fill(filler, depth)
            consume(use, prepared_batches(use, 5))
            rates = [BATCHES * BATCH / consume(use, prepared_batches(use, BATCHES)) for _ in range(RUNS)]
            print(
                f"{depth:>9,} orders on record: {statistics.median(rates):,.0f} orders/s, ± {spread(rates):.0%}"
            )


if __name__ == "__main__":
    main()
