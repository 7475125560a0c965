"""Which consumers ran lately, and how long the messages they took had waited: what operators ask first.

Revision: 0030. A row is an execution environment, which writes it every few seconds while it has work.
"""

from alembic import op

revision = "0030"
down_revision = "0026"
branch_labels = None
depends_on = None

CONSUMERS = """
CREATE TABLE consumers (
    consumer_id uuid PRIMARY KEY,
    seen_at     timestamptz NOT NULL,
    oldest_ms   bigint NOT NULL CHECK (oldest_ms >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE consumers IS
    'Environments that took batches; oldest_ms: how long the oldest message taken since the row before waited'
"""


def upgrade() -> None:
    op.execute(CONSUMERS)


def downgrade() -> None:
    op.execute("DROP TABLE consumers")
