"""What the functions cannot forge unseen: a chain of events, a
list of all that was issued, and rows that stay.

Revision: 0008. From here on each event carries the hash of itself and its predecessor; older ones, and
those that code from before it still writes, carry none. Each unit of each token has an entry in
``market.issues`` that says where it came into being; what there was already is carried over. Code from
before it cannot open wallets of new accounts.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"

# Nothing is checked here: the hash is of bytes that only the code knows, and the audit computes it anew.
CHAIN = """
ALTER TABLE order_events ADD COLUMN chain bytea CHECK (length(chain) = 32);
ALTER TABLE orders ADD COLUMN chain bytea CHECK (length(chain) = 32);
COMMENT ON COLUMN order_events.chain IS
    'SHA-256 of the predecessor''s and this row; NULL from before there was one';
COMMENT ON COLUMN orders.chain IS 'That of the last event which has one';
"""

# Conditions are judged without a call, so a statement that keeps to the rules pays nothing for the function.
# And after the change, which an error undoes as well: a row trigger before it would lock each row first, with
# a record in the log of its own, whatever its condition says.
RULES = f"""
CREATE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: %', lower(TG_OP), TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change('the audit trail is only appended to');

CREATE TRIGGER final_orders_stay AFTER UPDATE OR DELETE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL}) EXECUTE FUNCTION public.refuse_change('the order is final');

CREATE TRIGGER orders_move_on AFTER UPDATE ON orders
    FOR EACH ROW
    WHEN (NEW.seq < OLD.seq OR NEW.fence < OLD.fence OR (NEW.status <> OLD.status AND NEW.seq = OLD.seq))
    EXECUTE FUNCTION public.refuse_change('an order moves on only, each status by an event');

CREATE TRIGGER outcomes_stay AFTER UPDATE OR DELETE ON attempts
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL)
    EXECUTE FUNCTION public.refuse_change('the attempt has its outcome');
"""

# What a transaction moved is what its legs moved: out of the wallet
# into a pool, out of the pool into the wallet.
BOOKS = """
-- The landing lock, exclusively: nothing lands between the lines.
SELECT pg_advisory_xact_lock(120265298896244);

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

CREATE FUNCTION market.holdings() RETURNS TABLE (place text, token text, units numeric)
LANGUAGE sql STABLE AS $$
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

-- A transaction that moves a pool holds its row, so what moved it is in order.
ALTER TABLE market.transactions ADD COLUMN ordinal bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX transactions_ordinal ON market.transactions (ordinal);

CREATE TABLE market.openings (
    pool_id       text NOT NULL,
    after_ordinal bigint NOT NULL,
    kind          text NOT NULL,
    state         jsonb NOT NULL,
    bins          jsonb,
    ticks         jsonb,
    maths         integer NOT NULL,
    noted_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pool_id, after_ordinal)
);
COMMENT ON TABLE market.openings IS 'What each pool was like before the first transaction after an ordinal';
COMMENT ON COLUMN market.openings.maths IS 'Of the release that carries out those transactions';

CREATE FUNCTION market.note_openings(pool_ids jsonb, maths integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO market.openings (pool_id, after_ordinal, kind, state, bins, ticks, maths)
    SELECT pool_id, (SELECT coalesce(max(ordinal), 0) FROM market.transactions),
        kind, state, bins, ticks, maths
    FROM market.changed_pools('{}', -1) WHERE pool_id IN (SELECT jsonb_array_elements_text(pool_ids))
    -- Opened again with no trade in between.
    ON CONFLICT (pool_id, after_ordinal) DO UPDATE
    SET kind = excluded.kind, state = excluded.state, bins = excluded.bins, ticks = excluded.ticks,
        maths = excluded.maths
$$;
SELECT market.note_openings((SELECT jsonb_agg(pool_id) FROM market.pools), 1);

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

-- What no order asked for is the market maker's, and so the owner's, whom row security does not bind.
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
        DROP FUNCTION market.note_openings;
        DROP TABLE market.faucet, market.issues, market.openings;
        ALTER TABLE market.transactions DROP COLUMN ordinal;
        DROP TRIGGER outcomes_stay ON attempts;
        DROP TRIGGER orders_move_on ON orders;
        DROP TRIGGER final_orders_stay ON orders;
        DROP TRIGGER events_stay ON order_events;
        DROP FUNCTION public.refuse_change;
        ALTER TABLE orders DROP COLUMN chain;
        ALTER TABLE order_events DROP COLUMN chain;
    """)
