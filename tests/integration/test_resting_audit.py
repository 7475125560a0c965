"""The audit of orders that rest: sound ones break no rule, and each violation that is planted is named."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.resting_audit import RESTING_CHECKS
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order

AT_LIMIT = (
    "UPDATE orders SET order_type = 'limit', time_in_force = 'gtc', valid_until = NULL, slippage_bps = NULL, "
    """limit_terms = '{"price": "200", "rate": {"output_units": 1, "input_units": 5}}'"""
)
OPEN = "UPDATE orders SET status = 'open'"
TRIGGER = (
    "UPDATE orders SET trigger_terms = "
    """'{"price": "200", "rate": {"output_units": 1, "input_units": 5}}'"""
)
SNIPER = "UPDATE orders SET order_type = 'sniper', sniper_terms = '{}'"
PAIR = "INSERT INTO watch_pairs (input_token, output_token) VALUES ('SOL', 'USDC') ON CONFLICT DO NOTHING"
WATCH = """
INSERT INTO watches (order_id, accepted_at, since_height, pair_id, look, armed, direction, rate_out, rate_in,
    wake_key, own_key)
SELECT order_id, accepted_at, 0, pair_id, 0, true, 'at_least', 1, 5, 0.2, 0.2 FROM orders, watch_pairs
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def broken(engine: Engine, *damage: str) -> list[str]:
    """Return the numbers of the checks that an order on record breaks after some statements."""
    on_postgres(engine).created(an_order())
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE orders DISABLE TRIGGER USER"))
        connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER USER"))
        connection.execute(text(PAIR))
        for statement in damage:
            connection.exec_driver_sql(statement)
        return [found.check for check in RESTING_CHECKS for found in check.violations(connection)]


NAMES = [check.name for check in RESTING_CHECKS]


def test_order_that_rests_and_is_watched_for_breaks_no_rule(engine: Engine) -> None:
    assert broken(engine, AT_LIMIT, OPEN, WATCH) == []


def test_confirmed_order_that_got_just_its_limit_breaks_no_rule(engine: Engine) -> None:
    confirmed = (
        "UPDATE orders SET status = 'confirmed', tx_signature = 's', input_units = 500, output_units = 100"
    )
    assert broken(engine, AT_LIMIT, confirmed) == []


EVENT = (
    "INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data) "
    "SELECT order_id, 3, '{status}', 1, valid_until + interval '1 microsecond', '{{}}' FROM orders"
)
PAST_LIMIT = (
    "UPDATE orders SET status = 'confirmed', tx_signature = 's', input_units = 501, output_units = 100"
)


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ([AT_LIMIT, OPEN], 0),
        ([AT_LIMIT, SNIPER, OPEN], 0),
        ([WATCH], 0),
        ([AT_LIMIT, PAST_LIMIT], 1),
        ([TRIGGER, EVENT.format(status="routing")], 2),
        ([TRIGGER, EVENT.format(status="triggered"), EVENT.format(status="triggered").replace("3", "4")], 2),
        ([EVENT.format(status="submitted")], 3),
    ],
    ids=[
        "unwatched",
        "unwatched sniper",
        "watched for nothing",
        "one unit past its limit",
        "not triggered",
        "triggered twice",
        "sent too late",
    ],
)
def test_planted_violation_is_found_by_its_rule(engine: Engine, damage: list[str], check: int) -> None:
    assert broken(engine, *damage) == [NAMES[check]]
