"""What an order's next consumer has to tell: how far its events were told
already, and who follows it since its creation.

Revision: 0006. Code from before it neither writes nor reads the columns, and tells everything again.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE orders
            ADD COLUMN told_seq int NOT NULL DEFAULT 0 CHECK (told_seq BETWEEN 0 AND seq),
            ADD COLUMN submission_id uuid
    """)


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN told_seq, DROP COLUMN submission_id")
