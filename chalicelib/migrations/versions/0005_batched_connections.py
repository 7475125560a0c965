"""Which connections get their events in batches.

Revision: 0005. Code from before it neither writes nor reads the column.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE connections ADD COLUMN batched boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE connections DROP COLUMN batched")
