"""What is not known to be published of changes beside the consumer's: an outbox of orders."""

from typing import Final

from chalicelib.adapters.postgres.statements import Statement

# An order's later change names it again: it stays for that. The row of the order is held, so that none comes
# between.
NOTE_PUBLISHED: Final = Statement("""
WITH named AS (
    SELECT * FROM jsonb_to_recordset(CAST(:published AS jsonb)) AS n (order_id uuid, after_seq int, seq int)
    ORDER BY order_id
), held AS MATERIALIZED (
    SELECT o.order_id FROM orders o JOIN named USING (order_id) ORDER BY o.order_id FOR NO KEY UPDATE OF o
), noted AS (
    UPDATE orders o SET told_seq = n.seq
    FROM named n JOIN held USING (order_id)
    WHERE o.order_id = n.order_id AND o.told_seq BETWEEN n.after_seq AND n.seq - 1 AND n.seq <= o.seq
    RETURNING o.order_id, o.told_seq = o.seq AS is_whole
)
DELETE FROM unpublished u USING noted n WHERE u.order_id = n.order_id AND n.is_whole
""")

# One that was noted as published meanwhile is named no more. Once the sweep has sent a message for an order,
# its ``since`` is later than the change.
PUBLISHED_ELSEWHERE: Final = Statement("""
SELECT o.order_id FROM orders o LEFT JOIN unpublished u USING (order_id)
WHERE o.order_id = ANY(CAST(:order_ids AS uuid[]))
  AND (o.told_seq = o.seq
    OR u.order_id IS NOT NULL AND o.updated_at > clock_timestamp() - make_interval(secs => :within_s))
""")

UNPUBLISHED_AFTER_S: Final = 15
"""Longer than a request takes to publish what it has committed."""

# Of a statement of the sweep's. What was changed again meanwhile is named anew: only what was seen goes.
OLD_UNPUBLISHED: Final = f"""
old AS MATERIALIZED (
    SELECT u.order_id, u.account_id, u.since, o.told_seq = o.seq AS is_published
    FROM unpublished u JOIN orders o USING (order_id)
    WHERE u.since < statement_timestamp() - make_interval(secs => {UNPUBLISHED_AFTER_S})
    ORDER BY u.since LIMIT :limit
), gone AS (
    DELETE FROM unpublished u USING old
    WHERE old.is_published AND u.order_id = old.order_id AND u.since = old.since
)
"""
