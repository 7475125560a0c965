"""What functions of 0.2.0 write, in its words (bdba9926): they go on while a newer release comes into use."""

from typing import Final

from sqlalchemy import text

CLAIM: Final = text("""
UPDATE orders
SET fence = fence + 1,
    lease_until = clock_timestamp() + make_interval(secs => CAST(:lease_ms AS float8) / 1000)
WHERE order_id = ANY(:order_ids) RETURNING fence, seq, chain
""")

RECORD: Final = text("""
WITH step AS (
    SELECT * FROM jsonb_to_recordset(CAST(:steps AS jsonb)) AS s(
        order_id uuid, fence bigint, from_seq int, status text, seq int, attempt int, tx_signature text,
        input_units numeric, output_units numeric, failure_code text, chain bytea, lease_ms float8,
        told_seq int)
    LIMIT jsonb_array_length(CAST(:steps AS jsonb))
), moved AS (
    UPDATE orders o
    SET status = s.status, seq = s.seq, attempt = s.attempt,
        tx_signature = coalesce(s.tx_signature, o.tx_signature),
        input_units = s.input_units, output_units = s.output_units, failure_code = s.failure_code,
        chain = s.chain, lease_until = clock_timestamp() + make_interval(secs => s.lease_ms / 1000),
        told_seq = s.told_seq, updated_at = clock_timestamp()
    FROM step s
    WHERE o.order_id = s.order_id AND o.fence = s.fence AND o.seq = s.from_seq
    RETURNING o.order_id
), logged AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain)
    SELECT e.* FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e(
        order_id uuid, seq int, status text, attempt int, occurred_at timestamptz, data jsonb, chain bytea)
    JOIN moved USING (order_id)
)
SELECT order_id FROM moved
""")

CANCEL: Final = text("""
WITH canceled AS (
    UPDATE orders o
    SET status = 'canceled', seq = o.seq + 1, fence = o.fence + 1, updated_at = clock_timestamp(),
        chain = sha256(coalesce(o.chain, '') || convert_to(concat_ws(
            '|', o.order_id, o.seq + 1, 'canceled', o.attempt, CAST(:at_text AS text), '{}'), 'UTF8'))
    WHERE o.order_id = CAST(:order_id AS uuid) AND o.account_id = :account_id
      AND o.status IN ('pending', 'open', 'routing', 'routed', 'building') AND o.tx_signature IS NULL
    RETURNING o.order_id, o.status, o.seq, o.attempt, o.chain
), logged AS (
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain)
    SELECT order_id, seq, status, attempt, :at, '{}', chain FROM canceled
)
SELECT * FROM canceled
""")
