"""Canceling: what ends an order as canceled, and what keeps that from staying unpublished.

An order that rests loses its watch in the same transaction, by a trigger (0049), which looks for it once the
order's row is held. A statement sees other tables as they were when it began, also after it has waited for a
row: to one that ended the order and removed the watch, what the row's holder armed meanwhile was not there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chalicelib.adapters.postgres.rows import ORDER_COLUMNS, order_state
from chalicelib.adapters.postgres.servers import KNOWN, ON_SERVER
from chalicelib.adapters.postgres.statements import Row, Statement
from chalicelib.adapters.postgres.status_lists import CANCELABLE_STATUSES, FINAL_STATUSES
from chalicelib.domain.events import Canceled, OrderEvent
from chalicelib.domain.orders import MARKS_KEPT, Order

# The event's hash is taken here: what the order's last one is shows only once its row is held
# (``event_chain``). An order that was sent keeps its last signature; the fence shuts out the
# consumer that has claimed the order.
SET_CANCELED: Final = """
SET status = 'canceled', seq = o.seq + 1, fence = o.fence + 1, updated_at = clock_timestamp(),
    chain = sha256(coalesce(o.chain, '') || convert_to(
        concat_ws('|', o.order_id, o.seq + 1, 'canceled', o.attempt, CAST(:at_text AS text), '{}'), 'UTF8'))
"""

RETURNING: Final = f"RETURNING {ORDER_COLUMNS}, o.chain"

ENDED: Final = """
logged AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain)
    SELECT order_id, seq, status, attempt, :at, '{}', chain FROM canceled
)
"""


def noted_unpublished(changed: str) -> str:
    """Return the part of a statement that names orders as unpublished, in the commit that changes them.

    Args:
        changed: What selects them: a common table expression with ``order_id`` and ``account_id``.
    """
    return f"""
noted_unpublished AS (
    INSERT INTO unpublished (order_id, account_id) SELECT order_id, account_id FROM {changed}
    ON CONFLICT (order_id) DO UPDATE SET since = excluded.since
)
"""


CANCEL: Final = Statement(f"""
WITH canceled AS (
    UPDATE orders o {SET_CANCELED}
    WHERE o.order_id = CAST(:order_id AS uuid) AND o.account_id = :account_id
      -- In this order: what has ended or was sent is told as that.
      AND CASE WHEN o.status IN {CANCELABLE_STATUSES} AND (o.tx_signature IS NULL OR o.status = 'open')
          THEN {KNOWN} ELSE false END
    {RETURNING}
), {ENDED}, {noted_unpublished("canceled")}
SELECT * FROM canceled
""")


def meant(base: str, quote: str, types: str) -> str:
    """Return the condition that an order ``o`` fits a filter, as ``OrderFilter.fits`` has it.

    Args:
        base: An expression that is NULL if the filter leaves it open; ``quote`` and ``types`` (an array) are
            alike.
    """
    return f"""
({types} IS NULL OR o.order_type = ANY({types}))
AND CASE
    WHEN {base} IS NOT NULL AND {quote} IS NOT NULL
        THEN {base} IN (o.input_token, o.output_token) AND {quote} IN (o.input_token, o.output_token)
    WHEN {base} IS NOT NULL THEN o.price_base = {base}
    WHEN {quote} IS NOT NULL THEN o.price_base <> {quote} AND {quote} IN (o.input_token, o.output_token)
    ELSE true
END
"""


# Asked for each order by itself, which OFFSET makes sure of: an account's older marks, of as many tokens as
# it likes to name, are not read.
MARKED: Final = f"""
EXISTS (
    SELECT FROM cancel_marks m
    WHERE m.account_id = o.account_id AND o.accepted_at <= m.accepted_until
      AND {meant("nullif(m.base, '')", "nullif(m.quote, '')", "string_to_array(nullif(m.types, ''), ',')")}
    OFFSET 0)
"""

# An order that came on record after a cancel of all had looked there. It was recorded in an earlier commit
# than the step that asks this, so that either the cancel's look or this one finds the other. One that rests
# was on record.
COVERED: Final = f"o.status IN ('pending', 'routing') AND o.tx_signature IS NULL AND {MARKED}"

_MARKING: Final = 0x63616E63  # "canc"; among the advisory locks of two numbers
UNMARKED_MEANWHILE: Final = Statement(f"""
SELECT count(pg_advisory_xact_lock_shared({_MARKING}, account)) FROM (
    SELECT DISTINCT hashtext(account_id) AS account FROM unnest(CAST(:accounts AS text[])) AS account_id
    ORDER BY 1
) AS accounts
""")
"""To be run before a statement that asks for marks and puts orders on record by itself: no mark is committed
between its look and its commit. So a cancel of all either made its mark before that look, or looks at the
record when the orders are there.
"""

MAY_GO_ON: Final = f"(s.status IN {FINAL_STATUSES} OR s.is_found OR NOT ({COVERED}))"
"""A step ``s`` counts all the same that ends an order, or writes down that it has executed."""

CANCEL_COVERED: Final = Statement(f"""
WITH wanted AS MATERIALIZED (
    SELECT o.order_id FROM orders o WHERE o.order_id = ANY(:order_ids) ORDER BY o.order_id FOR NO KEY UPDATE
), canceled AS (
    UPDATE orders o {SET_CANCELED}
    FROM wanted WHERE o.order_id = wanted.order_id AND {COVERED} AND {ON_SERVER}
    {RETURNING}
), {ENDED}
SELECT * FROM canceled
""")

# Marks that no order can be older than which is yet to be put on record go with the account's next one. A
# trigger takes the lock of ``UNMARKED_MEANWHILE``, also for functions of a release that does not know of it.
MARK: Final = Statement(f"""
WITH gone AS (
    DELETE FROM cancel_marks
    WHERE account_id = :account_id
      AND accepted_until < CAST(:at AS timestamptz) - interval '{MARKS_KEPT.days} days'
      AND (base, quote, types) <> (:base, :quote, :types)
)
INSERT INTO cancel_marks AS m (account_id, base, quote, types, accepted_until)
VALUES (:account_id, :base, :quote, :types, CAST(:at AS timestamptz))
ON CONFLICT (account_id, base, quote, types) DO UPDATE
SET accepted_until = greatest(m.accepted_until, excluded.accepted_until)
""")


def at_parameters(at: datetime) -> dict[str, Any]:
    return {"at": at, "at_text": at.astimezone(UTC).isoformat()}


def ended(rows: Sequence[Row], at: datetime) -> list[tuple[Order, OrderEvent]]:
    """Return the orders of rows that were canceled, each with its last event."""
    states = [order_state(row) for row in rows]
    return [
        (state.order, OrderEvent(state.order.order_id, state.seq, state.attempt, at, Canceled()))
        for state in states
    ]
