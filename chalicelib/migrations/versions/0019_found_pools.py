"""Pools of Solana that were found while sniper orders waited for their pairs.

Revision: 0019. They are in no list: what looks for them writes them down, and the consumers read them here.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE found_pools (
            address text PRIMARY KEY CHECK (length(address) BETWEEN 32 AND 44),
            venue text NOT NULL CHECK (length(venue) BETWEEN 1 AND 64),
            token_0 text NOT NULL,
            token_1 text NOT NULL CHECK (token_1 <> token_0),
            found_at timestamptz NOT NULL DEFAULT clock_timestamp()
        );
        CREATE INDEX found_pools_newest ON found_pools (found_at DESC);
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE found_pools")
