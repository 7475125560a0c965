"""The audit of the record: what must hold of orders, events and attempts, whatever market they were for.

Most checks are one statement that returns what breaks it. An order still under way breaks nothing yet.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from chalicelib.adapters.audit_checks import AuditCheck, ComputedCheck, Finding, StatementCheck
from chalicelib.adapters.postgres.event_chain_audit import check_event_chain
from chalicelib.adapters.postgres.fills_audit import MintScales, check_fills
from chalicelib.adapters.postgres.resting_audit import RESTING_CHECKS
from chalicelib.adapters.postgres.status_lists import FINAL_STATUSES, IDLE_STATUSES
from chalicelib.domain.errors import InvalidTransitionError
from chalicelib.domain.statuses import OrderStatus, check_transition
from chalicelib.domain.tokens import Tokens

_STATEMENTS: Final = (
    StatementCheck(
        "every order's events are numbered 1, 2, 3 … and end where the order stands",
        """
        SELECT o.order_id::text AS subject,
               format('order at seq %s, %s events, numbered %s to %s',
                      o.seq, count(e.seq), min(e.seq), max(e.seq)) AS problem
        FROM orders o LEFT JOIN order_events e USING (order_id)
        WHERE o.archive_id IS NULL OR e.seq IS NOT NULL
        GROUP BY o.order_id, o.seq HAVING count(e.seq) <> o.seq OR min(e.seq) <> 1 OR max(e.seq) <> o.seq
        """,
    ),
    StatementCheck(
        "the last event says where the order stands",
        """
        SELECT o.order_id::text AS subject,
               format('order is %s, last event %s', o.status, e.status) AS problem
        FROM orders o JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
        WHERE e.status <> o.status
        """,
    ),
    StatementCheck(
        "an order has one final event at most, and nothing follows it",
        f"""
        SELECT e.order_id::text AS subject, format('%s at seq %s of %s', e.status, e.seq, o.seq) AS problem
        FROM order_events e JOIN orders o USING (order_id)
        WHERE e.status IN {FINAL_STATUSES} AND e.seq <> o.seq
        """,
    ),
    StatementCheck(
        "every confirmed order has exactly one attempt that landed, and shows its signature",
        """
        SELECT o.order_id::text AS subject,
               format('%s attempts landed, the order shows %s',
                      count(a.signature), coalesce(o.tx_signature, 'none')) AS problem
        FROM orders o LEFT JOIN attempts a ON a.order_id = o.order_id AND a.outcome = 'landed'
        WHERE o.status = 'confirmed' AND o.archive_id IS NULL GROUP BY o.order_id
        HAVING count(a.signature) <> 1 OR min(a.signature) IS DISTINCT FROM o.tx_signature
        """,
    ),
    StatementCheck(
        "the attempt of a confirmed order landed, and no attempt of a finished order is open",
        f"""
        SELECT o.order_id::text AS subject,
               format('%s, attempt %s', o.status, coalesce(a.outcome, 'open')) AS problem
        FROM orders o JOIN attempts a USING (order_id)
        WHERE (o.status IN {FINAL_STATUSES} AND a.outcome IS NULL)
           OR (o.status = 'confirmed' AND a.signature = o.tx_signature AND a.outcome <> 'landed')
           OR (o.status <> 'confirmed' AND a.outcome = 'landed')
        """,
    ),
    StatementCheck(
        "each attempt was announced by its event, and each such event has its attempt",
        """
        SELECT coalesce(a.order_id, e.order_id)::text AS subject,
               format('attempt %s, event %s', coalesce(a.signature, 'missing'),
                      coalesce(e.data ->> 'txSignature', 'missing')) AS problem
        FROM attempts a FULL JOIN (SELECT * FROM order_events WHERE status = 'submitted') e
            ON e.order_id = a.order_id AND e.attempt = a.attempt
        WHERE a.signature IS DISTINCT FROM e.data ->> 'txSignature'
        """,
    ),
    StatementCheck(
        "no attempt accepts worse than one refused before it, but of orders with a limit and of stops",
        """
        SELECT o.order_id::text AS subject,
               format('attempt %s accepts %s, attempt %s was refused at %s', later.attempt,
                      later.threshold_units, refused.attempt, refused.threshold_units) AS problem
        FROM attempts refused JOIN orders o USING (order_id) JOIN attempts later USING (order_id)
        WHERE refused.outcome = 'refused' AND later.attempt > refused.attempt AND o.limit_terms IS NULL
          AND o.trigger_terms ->> 'direction' IS DISTINCT FROM 'at_most'
          AND CASE o.swap_mode WHEN 'exact_in' THEN later.threshold_units < refused.threshold_units
              ELSE later.threshold_units > refused.threshold_units END
          AND NOT EXISTS (
              SELECT FROM order_events e
              WHERE e.order_id = o.order_id AND e.status = 'open'
                AND e.attempt > refused.attempt AND e.attempt <= later.attempt
                AND e.data #> '{amended,amount}' IS NOT NULL)
        """,
    ),
    StatementCheck(
        "a failed order shows the code that was published of it",
        """
        SELECT o.order_id::text AS subject,
               format('%s, published %s', o.failure_code, e.data ->> 'code') AS problem
        FROM orders o JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
        WHERE o.status = 'failed' AND o.failure_code IS DISTINCT FROM e.data ->> 'code'
        """,
    ),
)

_FINISHED: Final = StatementCheck(
    "every order is finished, or rests",
    f"""
    SELECT order_id::text AS subject, format('still %s', status) AS problem FROM orders
    WHERE status NOT IN {IDLE_STATUSES} ORDER BY accepted_at
    """,
)

_TRANSITIONS: Final = text("""
SELECT before, after, min(order_id::text) AS subject FROM (
    SELECT order_id, status AS after, lag(status) OVER (PARTITION BY order_id ORDER BY seq) AS before
    FROM order_events
) AS step GROUP BY before, after
""")


def record_checks(
    tokens: Tokens, *, must_be_finished: bool, mint_scales: MintScales
) -> tuple[AuditCheck, ...]:
    """Return the checks of the record; they read the public schema and nothing else.

    Args:
        must_be_finished: An order that is not final is a violation too.
    """
    return (
        *_STATEMENTS,
        *RESTING_CHECKS,
        ComputedCheck(
            "every transition of every order is one that the life cycle allows", _illegal_transitions
        ),
        ComputedCheck(
            "each event carries the hash of itself and its predecessor, since the first that does",
            check_event_chain,
        ),
        ComputedCheck(
            "what was published of a confirmed order is what the record shows",
            lambda connection: check_fills(connection, tokens, mint_scales),
        ),
        *((_FINISHED,) if must_be_finished else ()),
    )


def _illegal_transitions(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_TRANSITIONS):
        try:
            check_transition(OrderStatus(row.before) if row.before else None, OrderStatus(row.after))
        except InvalidTransitionError as error:
            yield Finding(row.subject, error.message)
        except ValueError as error:  # a status of another release: that order's alone
            yield Finding(row.subject, str(error))
