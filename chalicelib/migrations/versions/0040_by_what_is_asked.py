"""What clients and the sweep ask for is found in an index, however many rows are beside it.

Revision: 0040. An account's orders of one status were looked for among all that it ever sent; connections
past their time among all; cancels of all that may cover an order among all of its account's of two weeks; and
what a day's cap leaves was added up of all orders of that day, for each that was signed. Indexes are built
while functions go on. Functions of an earlier release add up all of a day's rows, which stay.
"""

from alembic import op

from chalicelib.migrations.online import while_functions_go_on

revision = "0040"
down_revision = "0037"
branch_labels = None
depends_on = None

# An order comes into the first when it ends, and stays as it is.
INDEXES = {
    "orders_by_end": """orders (account_id, status, accepted_at DESC, order_id DESC)
        WHERE ended_at IS NOT NULL""",
    "connections_expiring": "connections (expires_at)",
    "cancel_marks_until": "cancel_marks (account_id, accepted_until)",
    "spending_open": "spending (day, token) WHERE NOT is_settled",
}
TABLE = """
ALTER TABLE spending ADD COLUMN IF NOT EXISTS is_settled boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN spending.is_settled IS
    'Whether its order has ended, and is in its day''s sum if it was filled';
CREATE TABLE IF NOT EXISTS spent_days (
    day   date NOT NULL,
    token text NOT NULL,
    units numeric(39, 0) NOT NULL CHECK (units >= 0),
    PRIMARY KEY (day, token)
);
COMMENT ON TABLE spent_days IS 'What filled orders of a day may have spent, as far as they are settled';
"""


def upgrade() -> None:
    op.execute(TABLE)
    with while_functions_go_on():
        for name, of in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {of}")


def downgrade() -> None:
    op.execute(f"DROP INDEX {', '.join(INDEXES)}")
    op.execute("DROP TABLE spent_days")
    op.execute("ALTER TABLE spending DROP COLUMN is_settled")
