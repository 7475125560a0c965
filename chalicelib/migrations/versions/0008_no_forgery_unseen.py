"""What the functions cannot forge unseen: a chain of events, a list of all that was issued, and rows that stay.

Revision: 0008. From here on each event carries the hash of itself and its predecessor; older ones, and those that code
from before it still writes, carry none. Each unit of each token has an entry in ``market.issues`` that says where it
came into being; what there was already is carried over. Code from before it cannot open wallets of new accounts.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"

CHAIN = """
ALTER TABLE order_events ADD COLUMN chain bytea CHECK (length(chain) = 32);
COMMENT ON COLUMN order_events.chain IS 'SHA-256 of the predecessor''s chain, if it has one, and the row as record_send has it';

CREATE FUNCTION public.event_link(before bytea, content bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS
$$ BEGIN RETURN sha256(before || content); END $$;

CREATE AGGREGATE public.event_chain(content bytea) (sfunc = public.event_link, stype = bytea, initcond = '');
"""

# Conditions are judged without a call, so a statement that keeps to the rules pays nothing for the function.
RULES = f"""
CREATE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: %', lower(TG_OP), TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('the audit trail is only appended to');

CREATE TRIGGER final_orders_stay BEFORE UPDATE OR DELETE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL}) EXECUTE FUNCTION public.refuse_change('the order is final');

CREATE TRIGGER orders_move_on BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (NEW.seq < OLD.seq OR NEW.fence < OLD.fence OR (NEW.status <> OLD.status AND NEW.seq = OLD.seq))
    EXECUTE FUNCTION public.refuse_change('an order moves on only, each status by an event');

CREATE TRIGGER outcomes_stay BEFORE UPDATE OR DELETE ON attempts
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION public.refuse_change('the attempt has its outcome');
"""

# What a transaction moved is what its legs moved: out of the wallet into a pool, out of the pool into the wallet.
BOOKS = """
CREATE TABLE market.issues (
    issue_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place     text NOT NULL,
    token     text NOT NULL,
    units     numeric(39, 0) NOT NULL CHECK (units <> 0),
    reason    text NOT NULL CHECK (reason IN ('carried over', 'faucet', 'opening', 'closing')),
    issued_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN market.issues.place IS 'A wallet''s address or a pool''s id';

CREATE TABLE market.faucet (
    token text PRIMARY KEY,
    units numeric(39, 0) NOT NULL CHECK (units >= 0)
);
COMMENT ON TABLE market.faucet IS 'What a new wallet is given, where the faucet is on';

CREATE FUNCTION market.flows() RETURNS TABLE (place text, token text, units numeric) LANGUAGE sql STABLE AS $$
    SELECT flow.place, flow.token, sum(flow.units)
    FROM market.transactions AS landed
    CROSS JOIN LATERAL jsonb_to_recordset(landed.legs)
        AS leg (pool_id text, token_in text, token_out text, input_units numeric, output_units numeric)
    CROSS JOIN LATERAL (VALUES
        (landed.wallet, leg.token_in, -leg.input_units), (leg.pool_id, leg.token_in, leg.input_units),
        (leg.pool_id, leg.token_out, -leg.output_units), (landed.wallet, leg.token_out, leg.output_units)
    ) AS flow (place, token, units)
    WHERE landed.error IS NULL
    GROUP BY flow.place, flow.token
$$;

CREATE FUNCTION market.holdings() RETURNS TABLE (place text, token text, units numeric) LANGUAGE sql STABLE AS $$
    SELECT address, token, balance FROM market.wallets
    UNION ALL
    SELECT pool_id, token, tradable + lp_fees + protocol_fees + fund_fees + creator_fees FROM market.vaults
$$;

INSERT INTO market.issues (place, token, units, reason)
SELECT place, token, sum(units), 'carried over' FROM (
    SELECT place, token, units FROM market.holdings()
    UNION ALL
    SELECT place, token, -units FROM market.flows()
) AS moved GROUP BY place, token HAVING sum(units) <> 0;

-- The only way in which the functions bring money into being: what the faucet gives, once to each new wallet.
CREATE FUNCTION market.open_wallets(addresses jsonb, tokens jsonb, is_funded boolean) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH opened AS (
        INSERT INTO market.wallets (address, token, balance)
        SELECT address, token, CASE WHEN is_funded THEN coalesce(units, 0) ELSE 0 END
        FROM jsonb_array_elements_text(addresses) AS named (address)
        CROSS JOIN jsonb_array_elements_text(tokens) AS wanted (token)
        LEFT JOIN market.faucet USING (token)
        ORDER BY address, token
        ON CONFLICT DO NOTHING RETURNING address, token, balance
    ), listed AS (
        INSERT INTO market.issues (place, token, units, reason)
        SELECT address, token, balance, 'faucet' FROM opened WHERE balance > 0
    )
    INSERT INTO market.supply AS old (token, issued)
    SELECT token, sum(balance) FROM opened GROUP BY token ORDER BY token
    ON CONFLICT (token) DO UPDATE SET issued = old.issued + excluded.issued
$$;
REVOKE EXECUTE ON FUNCTION market.open_wallets FROM PUBLIC;

-- What nobody ordered is the market maker's, and so the owner's, whom row security does not bind.
ALTER TABLE market.transactions ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_are_read ON market.transactions FOR SELECT USING (true);
CREATE POLICY ordered_ones_land ON market.transactions FOR INSERT WITH CHECK (order_id IS NOT NULL);
"""


def upgrade() -> None:
    op.execute(CHAIN)
    op.execute(RULES)
    op.execute(BOOKS)


def downgrade() -> None:
    op.execute("""
        DROP POLICY ordered_ones_land ON market.transactions;
        DROP POLICY all_are_read ON market.transactions;
        ALTER TABLE market.transactions DISABLE ROW LEVEL SECURITY;
        DROP FUNCTION market.open_wallets, market.holdings, market.flows;
        DROP TABLE market.faucet, market.issues;
        DROP TRIGGER outcomes_stay ON attempts;
        DROP TRIGGER orders_move_on ON orders;
        DROP TRIGGER final_orders_stay ON orders;
        DROP TRIGGER events_stay ON order_events;
        DROP FUNCTION public.refuse_change;
        DROP AGGREGATE public.event_chain(bytea);
        DROP FUNCTION public.event_link;
        ALTER TABLE order_events DROP COLUMN chain;
    """)
