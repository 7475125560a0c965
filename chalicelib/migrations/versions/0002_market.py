"""Create the simulated market: its ledger, its pools and its block clock.

Revision ID: 0002
Revises: 0001
"""

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# An amount is a u64 on chain, but Σ over many accounts is not; NUMERIC(39, 0) holds a u128.
TABLES: Final = """
CREATE SCHEMA market;

CREATE TABLE market.chain (
    is_only      boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    genesis_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    slot_ms      integer NOT NULL DEFAULT 400 CHECK (slot_ms > 0),
    clock_offset interval NOT NULL DEFAULT '0',
    epoch        bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN market.chain.clock_offset IS 'Moves the market''s time; tests use it instead of waiting.';
COMMENT ON COLUMN market.chain.epoch IS 'Grows with each reset of the pools, so that caches notice.';
INSERT INTO market.chain DEFAULT VALUES;

CREATE TABLE market.faults (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    settings jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO market.faults DEFAULT VALUES;

CREATE TABLE market.supply (
    token  text PRIMARY KEY,
    issued numeric(39, 0) NOT NULL CHECK (issued >= 0)
);

CREATE TABLE market.wallets (
    address text NOT NULL,
    token   text NOT NULL,
    balance numeric(39, 0) NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (address, token)
);

CREATE TABLE market.pools (
    pool_id    text PRIMARY KEY,
    venue      text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('cpmm', 'clmm', 'dlmm', 'damm_v2')),
    token_0    text NOT NULL,
    token_1    text NOT NULL,
    state      jsonb NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    CHECK (token_0 <> token_1)
);

CREATE TABLE market.bins (
    pool_id  text NOT NULL REFERENCES market.pools ON DELETE CASCADE,
    bin_id   integer NOT NULL,
    amount_x numeric(39, 0) NOT NULL CHECK (amount_x >= 0),
    amount_y numeric(39, 0) NOT NULL CHECK (amount_y >= 0),
    version  bigint NOT NULL,
    PRIMARY KEY (pool_id, bin_id)
);

CREATE TABLE market.ticks (
    pool_id       text NOT NULL REFERENCES market.pools ON DELETE CASCADE,
    tick          integer NOT NULL,
    liquidity_net numeric(39, 0) NOT NULL,
    version       bigint NOT NULL,
    PRIMARY KEY (pool_id, tick)
);

CREATE TABLE market.vaults (
    pool_id       text NOT NULL REFERENCES market.pools ON DELETE CASCADE,
    token         text NOT NULL,
    tradable      numeric(39, 0) NOT NULL CHECK (tradable >= 0),
    lp_fees       numeric(39, 0) NOT NULL DEFAULT 0 CHECK (lp_fees >= 0),
    protocol_fees numeric(39, 0) NOT NULL DEFAULT 0 CHECK (protocol_fees >= 0),
    fund_fees     numeric(39, 0) NOT NULL DEFAULT 0 CHECK (fund_fees >= 0),
    creator_fees  numeric(39, 0) NOT NULL DEFAULT 0 CHECK (creator_fees >= 0),
    PRIMARY KEY (pool_id, token)
);

CREATE TABLE market.mempool (
    signature         text PRIMARY KEY,
    payload           bytea NOT NULL,
    last_valid_height bigint NOT NULL,
    lands_at          timestamptz NOT NULL
);
CREATE INDEX mempool_lands_at ON market.mempool (lands_at, signature);

CREATE TABLE market.transactions (
    signature    text PRIMARY KEY,
    slot         bigint NOT NULL,
    height       bigint NOT NULL,
    wallet       text NOT NULL,
    order_id     uuid,
    attempt      integer NOT NULL,
    error        text,
    input_units  numeric(39, 0) NOT NULL CHECK (input_units >= 0),
    output_units numeric(39, 0) NOT NULL CHECK (output_units >= 0),
    legs         jsonb NOT NULL,
    landed_at    timestamptz NOT NULL,
    CHECK ((error IS NULL) = (output_units > 0))
);
CREATE INDEX transactions_order_id ON market.transactions (order_id);
"""

# A block per slot: the chain's height is a function of the database's clock, so nothing has to tick.
FUNCTIONS: Final = """
CREATE FUNCTION market.now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT clock_timestamp() + clock_offset FROM market.chain $$;

CREATE FUNCTION market.height_at(moment timestamptz) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT floor(extract(epoch FROM moment - genesis_at) * 1000 / slot_ms)::bigint FROM market.chain $$;

-- All pools that differ from the versions a cache holds; of bins and ticks only those written since.
-- A reset starts a new epoch, in which old versions mean nothing.
CREATE FUNCTION market.changed_pools(known jsonb, known_epoch bigint)
RETURNS TABLE (
    epoch bigint, pool_id text, venue text, kind text, token_0 text, token_1 text,
    state jsonb, version bigint, bins jsonb, ticks jsonb
) LANGUAGE sql STABLE AS $$
    SELECT chain.epoch, pool.pool_id, pool.venue, pool.kind, pool.token_0, pool.token_1,
        pool.state, pool.version,
        CASE WHEN pool.kind = 'dlmm' THEN (
            SELECT jsonb_agg(jsonb_build_array(bin.bin_id, bin.amount_x, bin.amount_y))
            FROM market.bins AS bin
            WHERE bin.pool_id = pool.pool_id AND bin.version > coalesce(held.version, 0)
        ) END,
        CASE WHEN pool.kind = 'clmm' THEN (
            SELECT jsonb_agg(jsonb_build_array(tick.tick, tick.liquidity_net))
            FROM market.ticks AS tick
            WHERE tick.pool_id = pool.pool_id AND tick.version > coalesce(held.version, 0)
        ) END
    FROM market.chain
    CROSS JOIN market.pools AS pool
    LEFT JOIN LATERAL (
        SELECT (known ->> pool.pool_id)::bigint AS version WHERE chain.epoch = known_epoch
    ) AS held ON true
    WHERE held.version IS NULL OR pool.version > held.version
$$;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)


def downgrade() -> None:
    op.execute("DROP SCHEMA market CASCADE")
