"""Rows are reached by key, however few the planner believes there are.

Revision: 0004. A consumer's statements are planned while the tables are as good as empty, and kept;
with the default price of a random page, made for spinning disks, they were plans that read whole
tables, and grew slower with each order until the next ANALYZE. Listeners were found by account first,
so by all that the account ever followed.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The database's own setting reaches every session, also behind a proxy, where SET would pin the connection.
# Only the database's owner may change it; elsewhere the plans come right with the first ANALYZE.
PRICE = """
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I {change}', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'random_page_cost stays as it is: this role does not own the database';
END $$
"""


def upgrade() -> None:
    op.execute("DROP INDEX subscriptions_by_account")
    op.execute("DROP INDEX subscriptions_by_order")
    op.execute("CREATE INDEX subscriptions_by_order ON subscriptions (order_id, account_id)")
    op.execute(PRICE.format(change="SET random_page_cost = 1.1"))


def downgrade() -> None:
    op.execute("DROP INDEX subscriptions_by_order")
    op.execute("CREATE INDEX subscriptions_by_order ON subscriptions (order_id)")
    op.execute("CREATE INDEX subscriptions_by_account ON subscriptions (account_id)")
    op.execute(PRICE.format(change="RESET random_page_cost"))
