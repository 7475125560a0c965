"""How many decimals a sniper order says that the new mint has which it buys.

Revision: 0033. NULL for every other order, and for those before it.
"""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE orders ADD COLUMN output_decimals smallint;
        ALTER TABLE orders ADD CONSTRAINT orders_output_decimals_check
            CHECK (output_decimals BETWEEN 0 AND 18) NOT VALID;
        COMMENT ON COLUMN orders.output_decimals IS
            'What a sniper order says of the mint that it buys; compared with the pool that it finds';
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN output_decimals")
