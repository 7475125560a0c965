"""Signatures are unique by a key of 16 bytes instead of 88, and legs say their values without the names.

Revision: 0023. Each signature was in the index of its table in full: more than all other indexes of the table
together. Attempts are found by their order. What MD5 can be made to collide on are not signatures that
verify, and such a row would be refused. Code from before it finds by signature only with a look at the whole
table, and cannot read what new code lands in the simulated market. Writers of both tables wait while the
indexes are built: nine seconds for a million orders on a busy machine.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KEYS = """
ALTER TABLE attempts
    DROP CONSTRAINT attempts_pkey,
    DROP CONSTRAINT attempts_order_id_attempt_key,
    ADD PRIMARY KEY (order_id, attempt);
CREATE UNIQUE INDEX attempts_signature ON attempts ((md5(signature)::uuid));
ALTER TABLE market.transactions DROP CONSTRAINT transactions_pkey;
CREATE UNIQUE INDEX transactions_signature ON market.transactions ((md5(signature)::uuid));
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
