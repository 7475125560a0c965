"""An account's unfinished orders are found newest first in an index, without a sort.

Revision: 0044. With many orders left under way by others, a page of one account's was looked for among all
that it ever sent: that index has a page's order, and the one of orders under way, which lacked the last
column of it, did not. The same for orders that rest. Indexes are built while functions go on.
"""

from alembic import op

from chalicelib.migrations.online import while_functions_go_on

revision = "0044"
down_revision = "0040"
branch_labels = None
depends_on = None

UNDER_WAY = "ended_at IS NULL AND rests IS NULL"
NEWEST_FIRST = "(account_id, accepted_at DESC, order_id DESC)"
NEW = {
    "orders_under_way": f"{NEWEST_FIRST} WHERE {UNDER_WAY}",
    "orders_at_rest": f"{NEWEST_FIRST} WHERE rests",
}
OLD = {
    "orders_unfinished": f"(account_id, accepted_at) WHERE {UNDER_WAY}",
    "orders_resting": "(account_id, accepted_at) WHERE rests",
}


def upgrade() -> None:
    with while_functions_go_on():
        for name, of in NEW.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON orders {of}")
        for name in OLD:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def downgrade() -> None:
    for name, of in OLD.items():
        op.execute(f"CREATE INDEX {name} ON orders {of}")
    op.execute(f"DROP INDEX {', '.join(NEW)}")
