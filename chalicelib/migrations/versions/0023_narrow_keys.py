"""Signatures are unique by a key of 16 bytes instead of 88, and legs say their values without the names.

Revision: 0023. Each signature was in the index of its table in full: more than all other indexes of the table
together. Attempts are found by their order. What MD5 can be made to collide on are not signatures that
verify, and such a row would be refused. Code from before it finds by signature only with a look at the whole
table, and cannot read what new code lands in the simulated market. Functions go on while the
indexes are built, and wait only for the moment in which these take the place of the old ones.
"""

from alembic import op

from chalicelib.migrations.online import while_functions_go_on

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

INDEXES = {
    "attempts_key": "attempts (order_id, attempt)",
    "attempts_signature": "attempts ((md5(signature)::uuid))",
    "market.transactions_signature": "market.transactions ((md5(signature)::uuid))",
}
KEYS = """
ALTER TABLE attempts
    DROP CONSTRAINT attempts_pkey,
    DROP CONSTRAINT attempts_order_id_attempt_key,
    ADD CONSTRAINT attempts_pkey PRIMARY KEY USING INDEX attempts_key;
ALTER TABLE market.transactions DROP CONSTRAINT transactions_pkey;
"""

# As chalicelib/adapters/simulated_market/legs.py writes them.
NAMES = (
    "pool_id",
    "venue",
    "token_in",
    "token_out",
    "input_units",
    "output_units",
    "fee_units",
    "fee_token",
    "impact_bps",
)
NAMED = ", ".join(f"'{name}', leg -> {place}" for place, name in enumerate(NAMES))

LEGS = f"""
CREATE FUNCTION market.named_legs(legs jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(legs -> 0) = 'array' THEN (
        SELECT jsonb_agg(jsonb_build_object({NAMED}) ORDER BY place)
        FROM jsonb_array_elements(legs) WITH ORDINALITY AS kept (leg, place)
    ) ELSE legs END
$$;
"""  # noqa: S608  # constants of this module

FLOWS = """
CREATE OR REPLACE FUNCTION market.flows() RETURNS TABLE (place text, token text, units numeric)
LANGUAGE sql STABLE AS $$
    SELECT flow.place, flow.token, sum(flow.units)
    FROM market.transactions AS landed
    CROSS JOIN LATERAL jsonb_to_recordset({legs})
        AS leg (pool_id text, token_in text, token_out text, input_units numeric, output_units numeric)
    CROSS JOIN LATERAL (VALUES
        (landed.wallet, leg.token_in, -leg.input_units), (leg.pool_id, leg.token_in, leg.input_units),
        (leg.pool_id, leg.token_out, -leg.output_units), (landed.wallet, leg.token_out, leg.output_units)
    ) AS flow (place, token, units)
    WHERE landed.error IS NULL
    GROUP BY flow.place, flow.token
$$;
"""


def upgrade() -> None:
    with while_functions_go_on():
        for name, columns in INDEXES.items():
            # One that a kill left half built says that it is not valid, and is in the way.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name.rpartition('.')[2]} ON {columns}")
    op.execute(KEYS)
    op.execute(LEGS)
    op.execute(FLOWS.format(legs="market.named_legs(landed.legs)"))


def downgrade() -> None:
    op.execute(
        "UPDATE market.transactions SET legs = market.named_legs(legs)"
        " WHERE jsonb_typeof(legs -> 0) = 'array'"
    )
    op.execute(FLOWS.format(legs="landed.legs"))
    op.execute("""
        DROP FUNCTION market.named_legs;
        DROP INDEX market.transactions_signature;
        ALTER TABLE market.transactions ADD PRIMARY KEY (signature);
        DROP INDEX attempts_signature;
        ALTER TABLE attempts DROP CONSTRAINT attempts_pkey,
            ADD PRIMARY KEY (signature), ADD UNIQUE (order_id, attempt);
    """)
