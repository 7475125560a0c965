"""What our keys have been asked to spend, by order and day: what a cap per day is compared with.

Revision: 0012. One row per order, since an order spends once at most, however often it is tried.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE spending (
    order_id uuid PRIMARY KEY,
    day      date NOT NULL,
    token    text NOT NULL,
    units    numeric(39, 0) NOT NULL CHECK (units > 0)
);
COMMENT ON TABLE spending IS 'The most that an order may have spent on the day (UTC) it was last signed for';
CREATE INDEX spending_day ON spending (day, token);
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE spending")
