"""The audit of orders that rest: what they wait for, and what they got."""

from typing import Final

from chalicelib.adapters.audit_checks import StatementCheck

RESTING_CHECKS: Final = (
    StatementCheck(
        "every order that rests is watched for, and nothing else is",
        """
        SELECT coalesce(o.order_id, w.order_id)::text AS subject,
               CASE WHEN w.order_id IS NULL THEN 'open, and nothing watches for it'
                    ELSE format('%s, and still watched for', coalesce(o.status, 'unknown')) END AS problem
        FROM watches w FULL JOIN orders o USING (order_id)
        WHERE (w.order_id IS NULL AND o.status = 'open')
           OR (w.order_id IS NOT NULL AND o.status IS DISTINCT FROM 'open')
        """,
    ),
    StatementCheck(
        "every confirmed order with a limit got its limit or better, to the last unit",
        """
        SELECT order_id::text AS subject,
               format('gave %s and got %s, at a limit of %s',
                      input_units, output_units, limit_terms ->> 'price') AS problem
        FROM orders
        WHERE status = 'confirmed' AND limit_terms IS NOT NULL
          AND output_units * (limit_terms #>> '{rate,input_units}')::numeric
            < input_units * (limit_terms #>> '{rate,output_units}')::numeric
        """,
    ),
    StatementCheck(
        "an order with a trigger is routed after it was triggered, and triggered once",
        """
        SELECT o.order_id::text AS subject,
               format('triggered %s times, routed from seq %s on',
                      count(*) FILTER (WHERE e.status = 'triggered'),
                      coalesce(min(e.seq) FILTER (WHERE e.status = 'routing'), 0)) AS problem
        FROM orders o JOIN order_events e USING (order_id)
        WHERE o.trigger_terms IS NOT NULL
        GROUP BY o.order_id
        HAVING count(*) FILTER (WHERE e.status = 'triggered') > 1
            OR min(e.seq) FILTER (WHERE e.status = 'routing')
               < coalesce(min(e.seq) FILTER (WHERE e.status = 'triggered'), 2147483647)
        """,
    ),
    StatementCheck(
        "nothing was sent of an order after its end",
        """
        SELECT o.order_id::text AS subject,
               format('ended %s, sent %s', o.valid_until, max(e.occurred_at)) AS problem
        FROM orders o JOIN order_events e USING (order_id)
        WHERE e.status = 'submitted' AND e.occurred_at > o.valid_until
        GROUP BY o.order_id
        """,
    ),
)
"""Each holds at any moment, running or not: a step moves an order and its watch together."""
