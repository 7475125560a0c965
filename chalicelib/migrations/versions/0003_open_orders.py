"""An account's unfinished orders by index: what a follower of all of them replays, and what a limit counts.

Revision: 0003. The index it replaces found unfinished orders of all accounts, which this one does as well.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"


def upgrade() -> None:
    op.execute("DROP INDEX orders_unfinished")
    op.execute(
        f"CREATE INDEX orders_unfinished ON orders (account_id, accepted_at) WHERE status NOT IN {FINAL}"
    )


def downgrade() -> None:
    op.execute("DROP INDEX orders_unfinished")
    op.execute(f"CREATE INDEX orders_unfinished ON orders (accepted_at) WHERE status NOT IN {FINAL}")
