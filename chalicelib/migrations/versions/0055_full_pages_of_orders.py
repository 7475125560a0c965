"""Pages of orders are filled: no room is left for updates that cannot be in place.

Revision: 0055. An order is written as it is claimed and updated once, as it ends. Its end belongs into an
index, by which pages of ended orders are read since 0044, so that update never was in place again.
"""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders SET (fillfactor = 100)")


def downgrade() -> None:
    op.execute("ALTER TABLE orders SET (fillfactor = 90)")
