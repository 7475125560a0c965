"""The audit of the simulated market: its books, and the record held against its ledger."""

from functools import partial
from typing import Final

from chalicelib.adapters.audit_checks import SHOWN_MAX, AuditCheck, ComputedCheck, StatementCheck
from chalicelib.adapters.postgres.chains import is_on
from chalicelib.adapters.simulated_market.balance import check_books, check_flows
from chalicelib.adapters.simulated_market.evidence import check_signatures
from chalicelib.adapters.simulated_market.ledger_replay import check_replay
from chalicelib.adapters.simulated_market.published_slots import check_published_slots

_IS_HERE: Final = is_on("'simulated'")
_STATEMENTS: Final = (
    StatementCheck(
        "every confirmed order has exactly one landed transaction",
        f"""
        SELECT o.order_id::text AS subject, format('%s landed transactions', count(t.signature)) AS problem
        FROM orders o LEFT JOIN market.transactions t ON t.order_id = o.order_id AND t.error IS NULL
            LEFT JOIN archives a ON a.archive_id = o.archive_id
        WHERE o.status = 'confirmed' AND {_IS_HERE}
        GROUP BY o.order_id
        -- Of an archived order it may be in the archive alone, which has a rule of its own.
        HAVING count(t.signature) <> 1
            AND (count(t.signature) > 0 OR bool_and(a.transactions > 0) IS NOT TRUE)
        """,
    ),
    StatementCheck(
        "no order has more than one landed transaction",
        """
        SELECT order_id::text AS subject, format('%s landed transactions', count(*)) AS problem
        FROM market.transactions WHERE error IS NULL AND order_id IS NOT NULL
        GROUP BY order_id HAVING count(*) > 1
        """,
    ),
    StatementCheck(
        "every landed transaction belongs to an order that is confirmed, or still under way",
        """
        SELECT t.signature AS subject, format('order %s is %s', t.order_id, coalesce(o.status, 'unknown'))
            AS problem
        FROM market.transactions t LEFT JOIN orders o USING (order_id)
        WHERE t.error IS NULL AND t.order_id IS NOT NULL
          AND ((o.status IS NULL AND NOT market.is_forgotten(t.landed_at))
            OR o.status IN ('failed', 'canceled', 'expired'))
        """,
    ),
    StatementCheck(
        "nothing was sent before it was on record",
        """
        SELECT t.signature AS subject, format('no attempt of order %s has it', t.order_id) AS problem
        FROM market.transactions t LEFT JOIN attempts a USING (signature)
            LEFT JOIN orders o ON o.order_id = t.order_id
        WHERE t.order_id IS NOT NULL AND o.archive_id IS NULL
            AND NOT (o.order_id IS NULL AND market.is_forgotten(t.landed_at))
            AND (a.signature IS NULL OR a.order_id <> t.order_id)
        """,
    ),
    StatementCheck(
        "a confirmed order shows what the ledger booked",
        """
        SELECT o.order_id::text AS subject,
               format('order %s -> %s, ledger %s -> %s', o.input_units, o.output_units, t.input_units,
                   t.output_units)
               AS problem
        FROM orders o JOIN market.transactions t ON t.signature = o.tx_signature
        WHERE o.status = 'confirmed'
          AND (o.input_units, o.output_units) IS DISTINCT FROM (t.input_units, t.output_units)
        """,
    ),
    StatementCheck(
        "the outcome of an attempt is what the ledger says of it",
        f"""
        SELECT a.signature AS subject,
               format('attempt of %s is %s, the ledger has it as %s', a.order_id, a.outcome,
                      CASE WHEN t.signature IS NULL THEN 'unknown' ELSE coalesce(t.error, 'landed') END)
                          AS problem
        FROM attempts a JOIN orders o USING (order_id) LEFT JOIN market.transactions t USING (signature)
        WHERE {_IS_HERE} AND a.outcome <> CASE
            WHEN t.signature IS NULL THEN 'dead' WHEN t.error IS NULL THEN 'landed' ELSE 'refused' END
        """,
    ),
)


def market_checks(wallet_seed: bytes | None) -> tuple[AuditCheck, ...]:
    """Return the checks of the ledger, and of the record against it.

    Args:
        wallet_seed: What the accounts' wallets derive from. Without it, an account of which the record has
            nothing but forgeries passes, if they are signed by one key that no other account has.
    """
    return (
        *_STATEMENTS,
        ComputedCheck(
            "a confirmed order was published with the slot that the ledger booked", check_published_slots
        ),
        ComputedCheck("per token, wallets, vaults and fees are what was issued", check_books),
        ComputedCheck(
            "each wallet and vault holds what was issued there and what transactions moved",
            partial(check_flows, most=SHOWN_MAX),
        ),
        ComputedCheck(
            "transactions moved the pools as the pools' maths would, and to where they stand", check_replay
        ),
        ComputedCheck(
            "each attempt is signed by its wallet, for this order, and was booked as signed",
            partial(check_signatures, wallet_seed=wallet_seed),
        ),
    )
