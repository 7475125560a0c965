"""The audit: what must hold in any database of ours, at any moment, running or not.

Most checks are one statement that returns what breaks it; all of them see the same snapshot. An order
that is still under way breaks nothing yet.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Connection, text

from chalicelib.adapters.postgres.chain_audit import check_chain
from chalicelib.adapters.postgres.status_lists import FINAL_STATUSES
from chalicelib.adapters.simulated_market.balance import LedgerViolation as Finding
from chalicelib.adapters.simulated_market.balance import check_books, check_flows
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.evidence import check_fills, check_signatures
from chalicelib.adapters.simulated_market.ledger_replay import check_replay
from chalicelib.domain.errors import InvalidTransitionError
from chalicelib.domain.statuses import OrderStatus, check_transition

SHOWN_MAX: Final = 20
"""Violations of one check that are reported; the first ones tell the story."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be: which check, of what, and how."""

    check: str
    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Check:
    """A rule, and the statement that finds what breaks it, as (subject, problem)."""

    name: str
    statement: str


CHECKS: Final = (
    Check(
        "every order's events are numbered 1, 2, 3 … and end where the order stands",
        """
        SELECT o.order_id::text AS subject,
               format('order at seq %s, %s events, numbered %s to %s', o.seq, count(e.seq), min(e.seq), max(e.seq))
               AS problem
        FROM orders o LEFT JOIN order_events e USING (order_id)
        GROUP BY o.order_id, o.seq HAVING count(e.seq) <> o.seq OR min(e.seq) <> 1 OR max(e.seq) <> o.seq
        """,
    ),
    Check(
        "the last event says where the order stands",
        """
        SELECT o.order_id::text AS subject, format('order is %s, last event %s', o.status, e.status) AS problem
        FROM orders o JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
        WHERE e.status <> o.status
        """,
    ),
    Check(
        "an order has one final event at most, and nothing follows it",
        f"""
        SELECT e.order_id::text AS subject, format('%s at seq %s of %s', e.status, e.seq, o.seq) AS problem
        FROM order_events e JOIN orders o USING (order_id) WHERE e.status IN {FINAL_STATUSES} AND e.seq <> o.seq
        """,
    ),
    Check(
        "every confirmed order has exactly one landed transaction",
        """
        SELECT o.order_id::text AS subject, format('%s landed transactions', count(t.signature)) AS problem
        FROM orders o LEFT JOIN market.transactions t ON t.order_id = o.order_id AND t.error IS NULL
        WHERE o.status = 'confirmed' GROUP BY o.order_id HAVING count(t.signature) <> 1
        """,
    ),
    Check(
        "no order has more than one landed transaction",
        """
        SELECT order_id::text AS subject, format('%s landed transactions', count(*)) AS problem
        FROM market.transactions WHERE error IS NULL AND order_id IS NOT NULL
        GROUP BY order_id HAVING count(*) > 1
        """,
    ),
    Check(
        "every landed transaction belongs to an order that is confirmed, or still under way",
        """
        SELECT t.signature AS subject, format('order %s is %s', t.order_id, coalesce(o.status, 'unknown')) AS problem
        FROM market.transactions t LEFT JOIN orders o USING (order_id)
        WHERE t.error IS NULL AND t.order_id IS NOT NULL
          AND (o.status IS NULL OR o.status IN ('failed', 'canceled', 'expired'))
        """,
    ),
    Check(
        "nothing was sent before it was on record",
        """
        SELECT t.signature AS subject, format('no attempt of order %s has it', t.order_id) AS problem
        FROM market.transactions t LEFT JOIN attempts a USING (signature)
        WHERE t.order_id IS NOT NULL AND (a.signature IS NULL OR a.order_id <> t.order_id)
        """,
    ),
    Check(
        "a confirmed order shows what the ledger booked",
        """
        SELECT o.order_id::text AS subject,
               format('order %s -> %s, ledger %s -> %s', o.input_units, o.output_units, t.input_units, t.output_units)
               AS problem
        FROM orders o JOIN market.transactions t ON t.signature = o.tx_signature
        WHERE o.status = 'confirmed'
          AND (o.input_units, o.output_units) IS DISTINCT FROM (t.input_units, t.output_units)
        """,
    ),
    Check(
        "the attempt of a confirmed order landed, and no attempt of a finished order is open",
        f"""
        SELECT o.order_id::text AS subject, format('%s, attempt %s', o.status, coalesce(a.outcome, 'open')) AS problem
        FROM orders o JOIN attempts a USING (order_id)
        WHERE (o.status IN {FINAL_STATUSES} AND a.outcome IS NULL)
           OR (o.status = 'confirmed' AND a.signature = o.tx_signature AND a.outcome <> 'landed')
           OR (o.status <> 'confirmed' AND a.outcome = 'landed')
        """,
    ),
    Check(
        "the outcome of an attempt is what the ledger says of it",
        """
        SELECT a.signature AS subject,
               format('attempt of %s is %s, the ledger has it as %s', a.order_id, a.outcome,
                      CASE WHEN t.signature IS NULL THEN 'unknown' ELSE coalesce(t.error, 'landed') END) AS problem
        FROM attempts a LEFT JOIN market.transactions t USING (signature)
        WHERE a.outcome <> CASE
            WHEN t.signature IS NULL THEN 'dead' WHEN t.error IS NULL THEN 'landed' ELSE 'refused' END
        """,
    ),
    Check(
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
    Check(
        "a failed order shows the code that its owner was told",
        """
        SELECT o.order_id::text AS subject, format('%s, told %s', o.failure_code, e.data ->> 'code') AS problem
        FROM orders o JOIN order_events e ON e.order_id = o.order_id AND e.seq = o.seq
        WHERE o.status = 'failed' AND o.failure_code IS DISTINCT FROM e.data ->> 'code'
        """,
    ),
)

_UNFINISHED: Final = text(f"""
SELECT order_id::text AS subject, format('still %s', status) AS problem FROM orders
WHERE status NOT IN {FINAL_STATUSES} ORDER BY accepted_at
""")

_TRANSITIONS: Final = text("""
SELECT before, after, min(order_id::text) AS subject FROM (
    SELECT order_id, status AS after, lag(status) OVER (PARTITION BY order_id ORDER BY seq) AS before
    FROM order_events
) AS step GROUP BY before, after
""")

_STEPS: Final = "every transition of every order is one that the life cycle allows"
_CHAIN: Final = "each event carries the hash of itself and its predecessor, since the first that does"
_BOOKS: Final = "per token, wallets, vaults and fees are what was issued"
_FLOWS: Final = "each wallet and vault holds what was issued there and what transactions moved"
_REPLAYED: Final = "transactions moved the pools as the pools' maths would, and to where they stand"
_SIGNED: Final = "each attempt is signed by its wallet, for this order, and was booked as signed"
_TOLD: Final = "a confirmed order's owner was told what the ledger booked"
_FINISHED: Final = "every order is finished"

NAMES: Final = (
    *(check.name for check in CHECKS),
    _STEPS,
    _CHAIN,
    _BOOKS,
    _FLOWS,
    _REPLAYED,
    _SIGNED,
    _TOLD,
    _FINISHED,
)
"""What ``audit`` checks, in its order; the last only if asked for."""


def audit(
    connection: Connection, *, must_be_finished: bool, wallet_seed: bytes | None = None
) -> Iterator[list[Violation]]:
    """Yield the violations of one check after the other; an empty list means that it holds.

    The connection must be in a transaction of its own at REPEATABLE READ.

    Args:
        wallet_seed: What the accounts' wallets derive from. Without it, an account of which the record has
            nothing but forgeries passes, if they are signed by one key that no other account has.
    """
    for check in CHECKS:
        rows = connection.execute(text(check.statement + f" LIMIT {SHOWN_MAX}"))
        yield [Violation(check.name, row.subject, row.problem) for row in rows]
    yield _illegal_transitions(connection)
    yield _named(_CHAIN, check_chain(connection))
    yield _named(_BOOKS, check_books(connection))
    yield _named(_FLOWS, check_flows(connection, most=SHOWN_MAX))
    yield _named(_REPLAYED, check_replay(connection))
    yield _named(_SIGNED, check_signatures(connection, wallet_seed))
    yield _named(_TOLD, check_fills(connection, load_market().tokens))
    if must_be_finished:
        rows = connection.execute(_UNFINISHED)
        yield [Violation(_FINISHED, row.subject, row.problem) for row in rows.fetchmany(SHOWN_MAX)]


def _named(name: str, found: Iterable[Finding]) -> list[Violation]:
    return [Violation(name, each.subject, each.problem) for each in islice(found, SHOWN_MAX)]


def _illegal_transitions(connection: Connection) -> list[Violation]:
    found = []
    for row in connection.execute(_TRANSITIONS):
        try:
            check_transition(OrderStatus(row.before) if row.before else None, OrderStatus(row.after))
        except InvalidTransitionError as error:
            found.append(Violation(_STEPS, row.subject, error.message))
        except ValueError as error:  # a status of another release: that order's alone
            found.append(Violation(_STEPS, row.subject, str(error)))
    return found
