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

CREATE VIEW chain_eras AS SELECT name,
    CASE WHEN lag(since) OVER whole IS NULL THEN '-infinity' ELSE since END AS since,
    coalesce(lead(since) OVER whole, 'infinity') AS until
    FROM chains WINDOW whole AS (ORDER BY chain_id);
COMMENT ON VIEW chain_eras IS
    'On which chain orders execute, by when they were put on record: from since on, and before until';
"""

DOWNGRADE = """
DROP VIEW chain_eras;
DROP TABLE chains;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
