"""The record knows on which chain its orders execute, and notices when it is to be another one.

Revision: 0056. An order that rests on the simulated market would have fired on a Solana, with real money,
once a shell had ``CHAIN=solana``; one that was under way would have been dead there, and executed again. And
the audit called what was executed on one chain lost on the other. ADR 17 has the rest.
"""

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE chains (
    chain_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE chains IS
    'Where orders execute that are put on record from then on; those from before the first row, on its chain';

CREATE FUNCTION public.chain_of(recorded_at timestamptz) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT coalesce(
        (SELECT name FROM public.chains WHERE since <= $1 ORDER BY chain_id DESC LIMIT 1),
        (SELECT name FROM public.chains ORDER BY chain_id LIMIT 1)) $$;
COMMENT ON FUNCTION public.chain_of IS
    'Where an order executes that was put on record at that moment; null while no chain is noted';
"""

DOWNGRADE = """
DROP FUNCTION public.chain_of(timestamptz);
DROP TABLE chains;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
