"""Putting orders on record: the statement, and what all that write orders share with it."""

import base64
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from chalicelib.adapters.postgres.cancels import MARKED
from chalicelib.adapters.postgres.order_columns import NAMES, TYPED
from chalicelib.adapters.postgres.rows import order_record
from chalicelib.adapters.postgres.statements import Row, Statement
from chalicelib.domain.ids import id_text
from chalicelib.domain.progress import NewOrder, OpenAttempt
from chalicelib.wire.json_text import JsonObject

EVENTS_ROWS: Final = """jsonb_to_recordset(CAST(:events AS jsonb)) AS e(
    order_id uuid, seq int, status text, attempt int, occurred_at timestamptz, data jsonb, chain bytea,
    packed bytea)"""

# In one row: ten would be ten messages, each read and taken apart by itself.
NAMED: Final = "SELECT jsonb_agg(order_id) AS order_ids FROM {}"

ATTEMPTS_INTO: Final = """
    INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height,
        quoted_in_units, quoted_out_units, threshold_units, fence)
    SELECT a.signature, a.order_id, a.attempt, decode(a.payload, 'base64'), a.last_valid_height,
        a.quoted_in_units, a.quoted_out_units, a.threshold_units, a.fence
    FROM jsonb_to_recordset(CAST(:attempts AS jsonb)) AS a(
        signature text, order_id uuid, attempt int, payload text, last_valid_height bigint,
        quoted_in_units numeric, quoted_out_units numeric, threshold_units numeric, fence bigint)"""

# Sorted, so that two consumers that create overlapping orders wait for each other in one direction only.
CREATE: Final = Statement(f"""
WITH incoming AS (
    SELECT DISTINCT ON (order_id) * FROM jsonb_to_recordset(CAST(:orders AS jsonb)) AS r(
        {TYPED},
        status text, seq int, attempt int, tx_signature text, failure_code text, chain bytea,
        connection_id text)
    ORDER BY order_id
), created AS (
    INSERT INTO orders ({NAMES},
        status, seq, attempt, tx_signature, failure_code, chain, fence, lease_until)
    SELECT {NAMES},
        status, seq, attempt, tx_signature, failure_code, chain, 1,
        clock_timestamp() + make_interval(secs => CAST(:lease_ms AS float8) / 1000)
    FROM incoming o WHERE o.tx_signature IS NULL OR NOT ({MARKED})
    ON CONFLICT DO NOTHING
    RETURNING order_id
), logged AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain, packed)
    SELECT e.* FROM {EVENTS_ROWS} JOIN created USING (order_id)
), followed AS (
    INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
    SELECT connection_id, order_id, account_id, true, 0 FROM incoming JOIN created USING (order_id)
    WHERE connection_id IS NOT NULL
    ON CONFLICT DO NOTHING
), tried AS ({ATTEMPTS_INTO} JOIN created USING (order_id)
)
{NAMED.format("created")}
""")


def new_row(new: NewOrder, head: bytes) -> dict[str, Any]:
    """Return an order and its first step as ``CREATE`` reads it."""
    return order_record(new.state) | {
        "connection_id": new.connection_id,
        "tx_signature": new.attempt.transaction.signature if new.attempt else None,
        "failure_code": new.failure_code,
        "chain": bytea(head),
    }


def attempt_row(order_id: UUID, fence: int, new: OpenAttempt) -> JsonObject:
    return {
        "signature": new.transaction.signature,
        "order_id": order_id,
        "attempt": new.attempt,
        "payload": base64.b64encode(new.transaction.payload).decode("ascii"),
        "last_valid_height": new.transaction.last_valid_height,
        "quoted_in_units": new.quoted_in_units,
        "quoted_out_units": new.quoted_out_units,
        "threshold_units": new.threshold_units,
        "fence": fence,
    }


def named(rows: Sequence[Row], asked: Sequence[UUID]) -> frozenset[UUID]:
    """Return those of the orders that ``NAMED`` names: the same ids, so that none is made of text again."""
    (row,) = rows
    names = row.order_ids or ()
    if len(names) == len(asked):
        return frozenset(asked)
    by_name = {id_text(order_id): order_id for order_id in asked}
    return frozenset([by_name[name] for name in names])


def bytea(raw: bytes) -> str | None:
    return f"\\x{raw.hex()}" if raw else None
