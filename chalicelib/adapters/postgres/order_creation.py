"""Putting orders on record: the statement, and what all that write orders share with it."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from chalicelib.adapters.postgres.arrays import Columns
from chalicelib.adapters.postgres.cancels import MARKED
from chalicelib.adapters.postgres.event_chain import EVENTS
from chalicelib.adapters.postgres.order_columns import NAMES, TYPES, column_values
from chalicelib.adapters.postgres.servers import ON_SERVER
from chalicelib.adapters.postgres.statements import Row, Statement
from chalicelib.domain.ids import id_text
from chalicelib.domain.progress import NewOrder, OpenAttempt

# In one row: ten would be ten messages, each read and taken apart by itself.
NAMED: Final = "SELECT jsonb_agg(order_id) AS order_ids FROM {}"

ATTEMPT: Final = {
    "tx_signature": "text",
    "tried": "int",
    "payload": "bytea",
    "last_valid_height": "bigint",
    "quoted_in_units": "numeric",
    "quoted_out_units": "numeric",
    "threshold_units": "numeric",
}
"""What an order's step says of a new attempt, if it makes one."""

_STANDING: Final = {
    "status": "text",
    "seq": "int",
    "attempt": "int",
    "failure_code": "text",
    "chain": "bytea",
}
_NEW: Final = Columns("orders", TYPES | _STANDING | {"connection_id": "text"} | ATTEMPT)


def logged(steps: Columns, written: str) -> str:
    """Return the part of a statement that writes events, those of orders that it writes.

    Args:
        written: What selects these: a common table expression with ``order_id``.
    """
    return f"""
logged AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain, packed)
    SELECT w.order_id, e.seq, e.status, e.attempt, e.occurred_at, e.data, e.chain, e.packed
    FROM {EVENTS.rows()} AS e JOIN {written} AS w ON w.order_id = {steps.value("order_id", "e.step")}
)
"""


def tried(steps: Columns, written: str, fence: str) -> str:
    """Return the part of a statement that writes new attempts, likewise.

    Args:
        fence: Under which they are made: an expression, or the column of the steps that says so.
    """
    columns = ("order_id", *ATTEMPT, *({fence} & set(steps.names)))
    return f"""
tried AS (
    INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height,
        quoted_in_units, quoted_out_units, threshold_units, fence)
    SELECT tx_signature, order_id, tried, payload, last_valid_height,
        quoted_in_units, quoted_out_units, threshold_units, {fence}
    FROM {steps.rows(*columns)} AS a JOIN {written} USING (order_id)
    WHERE tx_signature IS NOT NULL
)
"""


# The rows are in the order of their ids, so that two consumers that create overlapping orders wait for each
# other in one direction only.
CREATE: Final = Statement(f"""
WITH created AS (
    INSERT INTO orders ({NAMES},
        status, seq, attempt, tx_signature, failure_code, chain, fence, lease_until)
    SELECT {NAMES},
        status, seq, attempt, tx_signature, failure_code, chain, 1,
        clock_timestamp() + make_interval(secs => CAST(:lease_ms AS float8) / 1000)
    FROM {_NEW.rows(*TYPES, *_STANDING, "tx_signature")} AS o
    WHERE (o.tx_signature IS NULL OR NOT ({MARKED})) AND {ON_SERVER}
    ON CONFLICT DO NOTHING
    RETURNING order_id
), {logged(_NEW, "created")}, followed AS (
    INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
    SELECT connection_id, order_id, account_id, true, 0
    FROM {_NEW.rows("order_id", "account_id", "connection_id")} AS o JOIN created USING (order_id)
    WHERE connection_id IS NOT NULL
    ON CONFLICT DO NOTHING
), {tried(_NEW, "created", "1")}
{NAMED.format("created")}
""")


def new_orders(orders: Sequence[NewOrder], heads: Sequence[bytes]) -> dict[str, str]:
    """Return orders and where they stand as ``CREATE`` takes them."""
    return _NEW.parameters(
        [
            (
                *column_values(new.state.order),
                str(new.state.status),
                new.state.seq,
                new.state.attempt,
                new.failure_code,
                head.hex() or None,
                new.connection_id,
                *attempt_values(new.attempt),
            )
            for new, head in zip(orders, heads, strict=True)
        ]
    )


def attempt_values(new: OpenAttempt | None) -> Sequence[Any]:
    """Return the values of the columns ``ATTEMPT``."""
    if new is None:
        return (None,) * len(ATTEMPT)
    return (
        new.transaction.signature,
        new.attempt,
        new.transaction.payload.hex(),
        new.transaction.last_valid_height,
        new.quoted_in_units,
        new.quoted_out_units,
        new.threshold_units,
    )


def named(rows: Sequence[Row], asked: Sequence[UUID]) -> frozenset[UUID]:
    """Return those of the orders that ``NAMED`` names: the same ids, so that none is made of text again."""
    (row,) = rows
    names = row.order_ids or ()
    if len(names) == len(asked):
        return frozenset(asked)
    by_name = {id_text(order_id): order_id for order_id in asked}
    return frozenset([by_name[name] for name in names])
