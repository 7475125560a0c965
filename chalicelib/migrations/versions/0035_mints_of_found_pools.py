"""How many decimals the tokens of found pools have: a mint that is in no list is known by its pools alone.

Revision: 0035. Pools that were found before say nothing of that, and trade listed tokens.
"""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE found_pools
            ADD COLUMN decimals_0 smallint CHECK (decimals_0 BETWEEN 0 AND 18),
            ADD COLUMN decimals_1 smallint CHECK (decimals_1 BETWEEN 0 AND 18);
        CREATE INDEX found_pools_token_0 ON found_pools (token_0);
        CREATE INDEX found_pools_token_1 ON found_pools (token_1);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DELETE FROM found_pools WHERE greatest(length(token_0), length(token_1)) >= 32;
        DROP INDEX found_pools_token_0, found_pools_token_1;
        ALTER TABLE found_pools DROP COLUMN decimals_0, DROP COLUMN decimals_1;
        """
    )
