"""Housekeeping that keeps up: which orders the sweep has resumed, and subscriptions behind by index.

Revision: 0015. Code from before it resumes the same orders each minute until a consumer has claimed them.
"""

from alembic import op

revision = "0015"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN resumed_at timestamptz")
    # Hardly ever an entry: a subscription that is created with its order is live.
    op.execute("CREATE INDEX subscriptions_behind ON subscriptions (account_id, updated_at) WHERE NOT live")


def downgrade() -> None:
    op.execute("DROP INDEX subscriptions_behind")
    op.execute("ALTER TABLE orders DROP COLUMN resumed_at")
