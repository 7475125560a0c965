"""The simulated market's ledger is bounded: what landed long ago is folded into what it led to.

Revision: 0032. An order is archived with its transactions from here on, and a row of the ledger goes once its
order is in such an archive and the pools' states and the balances contain it. The audit begins where the
folding ended. Transactions of orders that were archived before stay. Code from before it archives without
transactions, and its audit takes what is folded for pools that moved by themselves.
"""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE market.folded (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    ordinal bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN market.folded.ordinal IS 'The last transaction that openings and folded flows contain';
INSERT INTO market.folded DEFAULT VALUES;

CREATE TABLE market.folded_flows (
    place text NOT NULL,
    token text NOT NULL,
    units numeric NOT NULL,
    PRIMARY KEY (place, token)
);

ALTER TABLE archives ADD COLUMN transactions integer CHECK (transactions >= 0);
COMMENT ON COLUMN archives.transactions IS
    'Of the simulated ledger; NULL if it had none, or the archive is from before they were kept';
"""

FLOWS = """
CREATE FUNCTION market.flows_between(after bigint, up_to bigint)
RETURNS TABLE (place text, token text, units numeric) LANGUAGE sql STABLE AS $$
    SELECT flow.place, flow.token, sum(flow.units)
    FROM market.transactions AS landed
    CROSS JOIN LATERAL jsonb_to_recordset(market.named_legs(landed.legs))
        AS leg (pool_id text, token_in text, token_out text, input_units numeric, output_units numeric)
    CROSS JOIN LATERAL (VALUES
        (landed.wallet, leg.token_in, -leg.input_units), (leg.pool_id, leg.token_in, leg.input_units),
        (leg.pool_id, leg.token_out, -leg.output_units), (landed.wallet, leg.token_out, leg.output_units)
    ) AS flow (place, token, units)
    WHERE landed.error IS NULL AND landed.ordinal > after AND landed.ordinal <= up_to
    GROUP BY flow.place, flow.token
$$;

CREATE OR REPLACE FUNCTION market.flows() RETURNS TABLE (place text, token text, units numeric)
LANGUAGE sql STABLE AS $$
    SELECT place, token, sum(units) FROM (
        SELECT place, token, units FROM market.folded_flows
        UNION ALL
        SELECT flow.* FROM market.folded, market.flows_between(folded.ordinal, 9223372036854775807) AS flow
    ) AS part GROUP BY place, token
$$;

CREATE OR REPLACE FUNCTION market.note_openings(pool_ids jsonb, maths integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO market.openings (pool_id, after_ordinal, kind, state, bins, ticks, maths)
    SELECT pool_id, (SELECT greatest(max(t.ordinal), (SELECT ordinal FROM market.folded))
                     FROM market.transactions t),
        kind, state, bins, ticks, maths
    FROM market.changed_pools('{}', -1) WHERE pool_id IN (SELECT jsonb_array_elements_text(pool_ids))
    -- Opened again with no trade in between.
    ON CONFLICT (pool_id, after_ordinal) DO UPDATE
    SET kind = excluded.kind, state = excluded.state, bins = excluded.bins, ticks = excluded.ticks,
        maths = excluded.maths
$$;
"""

# What moved is computed here, from the rows; where the pools stand after it is the caller's word, which the
# audit holds against all that landed since.
FOLD = """
CREATE FUNCTION market.fold(after bigint, up_to bigint, maths integer, states jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM market.folded WHERE ordinal = after FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF up_to <= after OR NOT EXISTS (SELECT FROM market.transactions WHERE ordinal = up_to) THEN
        RAISE EXCEPTION 'nothing landed as number %', up_to;
    END IF;
    -- The caller's clock may be ahead.
    IF EXISTS (SELECT FROM market.transactions WHERE ordinal > after AND ordinal <= up_to
               AND landed_at >= market.now() - interval '1 day') THEN
        RETURN false;
    END IF;
    INSERT INTO market.folded_flows AS old (place, token, units)
    SELECT place, token, units FROM market.flows_between(after, up_to)
    ON CONFLICT (place, token) DO UPDATE SET units = old.units + excluded.units;
    DELETE FROM market.openings WHERE after_ordinal <= up_to;
    INSERT INTO market.openings (pool_id, after_ordinal, kind, state, bins, ticks, maths)
    SELECT pool_id, up_to, kind, state, bins, ticks, fold.maths
    FROM jsonb_to_recordset(states) AS led (pool_id text, kind text, state jsonb, bins jsonb, ticks jsonb);
    DELETE FROM market.transactions AS t
    WHERE ordinal > after AND ordinal <= up_to AND (
        order_id IS NULL
        OR EXISTS (SELECT FROM public.orders o JOIN public.archives a USING (archive_id)
                   WHERE o.order_id = t.order_id AND a.transactions IS NOT NULL)
        OR market.is_forgotten(t.landed_at)
            AND NOT EXISTS (SELECT FROM public.orders o WHERE o.order_id = t.order_id));
    UPDATE market.folded SET ordinal = up_to;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION market.fold FROM PUBLIC;
"""

ARCHIVE = """
CREATE FUNCTION public.archive_with_transactions(
    its_place text, its_sha256 bytea, its_day date, ids uuid[], seqs integer[],
    its_events integer, its_attempts integer, its_transactions integer
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    signed uuid[];
    done integer;
BEGIN
    -- Nothing is folded meanwhile, or rows of these orders might be left by both.
    PERFORM FROM market.folded FOR SHARE;
    PERFORM FROM public.orders WHERE order_id = ANY(ids) ORDER BY order_id FOR UPDATE;
    signed := ARRAY(SELECT md5(signature)::uuid FROM public.attempts WHERE order_id = ANY(ids));
    IF NOT public.archive_orders(its_place, its_sha256, its_day, ids, seqs, its_events, its_attempts) THEN
        RETURN false;
    END IF;
    SELECT count(*) INTO done FROM market.transactions WHERE md5(signature)::uuid = ANY(signed);
    IF done <> its_transactions THEN
        RAISE EXCEPTION 'the archive holds % transactions, the ledger %', its_transactions, done;
    END IF;
    IF done > 0 THEN
        UPDATE public.archives SET transactions = done WHERE place = its_place;
        DELETE FROM market.transactions
        WHERE md5(signature)::uuid = ANY(signed) AND ordinal <= (SELECT ordinal FROM market.folded);
    END IF;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION public.archive_with_transactions FROM PUBLIC;
"""

BEFORE = """
DO $$ BEGIN
    IF (SELECT ordinal FROM market.folded) > 0 THEN
        RAISE EXCEPTION 'what was folded cannot be unfolded';
    END IF;
END $$;
DROP FUNCTION public.archive_with_transactions, market.fold;
CREATE OR REPLACE FUNCTION market.flows() RETURNS TABLE (place text, token text, units numeric)
LANGUAGE sql STABLE AS $$
    SELECT flow.place, flow.token, sum(flow.units)
    FROM market.transactions AS landed
    CROSS JOIN LATERAL jsonb_to_recordset(market.named_legs(landed.legs))
        AS leg (pool_id text, token_in text, token_out text, input_units numeric, output_units numeric)
    CROSS JOIN LATERAL (VALUES
        (landed.wallet, leg.token_in, -leg.input_units), (leg.pool_id, leg.token_in, leg.input_units),
        (leg.pool_id, leg.token_out, -leg.output_units), (landed.wallet, leg.token_out, leg.output_units)
    ) AS flow (place, token, units)
    WHERE landed.error IS NULL
    GROUP BY flow.place, flow.token
$$;
DROP FUNCTION market.flows_between;
CREATE OR REPLACE FUNCTION market.note_openings(pool_ids jsonb, maths integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO market.openings (pool_id, after_ordinal, kind, state, bins, ticks, maths)
    SELECT pool_id, (SELECT coalesce(max(ordinal), 0) FROM market.transactions),
        kind, state, bins, ticks, maths
    FROM market.changed_pools('{}', -1) WHERE pool_id IN (SELECT jsonb_array_elements_text(pool_ids))
    ON CONFLICT (pool_id, after_ordinal) DO UPDATE
    SET kind = excluded.kind, state = excluded.state, bins = excluded.bins, ticks = excluded.ticks,
        maths = excluded.maths
$$;
ALTER TABLE archives DROP COLUMN transactions;
DROP TABLE market.folded, market.folded_flows;
"""


def upgrade() -> None:
    for part in (TABLES, FLOWS, FOLD, ARCHIVE):
        op.execute(part)


def downgrade() -> None:
    op.execute(BEFORE)
