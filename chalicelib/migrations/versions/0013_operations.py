"""What operators ask for, by index: recent events, dead letters by time, and how each audit rule last ended.

Revision: 0013. Events are appended and never moved, so a summary of each range of blocks finds the recent
ones, and costs an insert next to nothing.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

AUDIT_RULES = """
CREATE TABLE audit_rules (
    rule_id     text PRIMARY KEY CHECK (length(rule_id) BETWEEN 1 AND 128),
    ran_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    held_at     timestamptz,
    duration_ms integer NOT NULL CHECK (duration_ms >= 0),
    violations  jsonb NOT NULL
);
COMMENT ON TABLE audit_rules IS
    'When the console last had a rule checked, and when it last held; what counts is ./orderflow audit'
"""


def upgrade() -> None:
    op.execute(AUDIT_RULES)
    op.execute(
        "CREATE INDEX order_events_recent ON order_events USING brin (recorded_at)"
        " WITH (pages_per_range = 32, autosummarize = on)"
    )
    op.execute("CREATE INDEX dead_letters_by_time ON dead_letters (archived_at DESC, message_id DESC)")


def downgrade() -> None:
    op.execute("DROP INDEX dead_letters_by_time")
    op.execute("DROP INDEX order_events_recent")
    op.execute("DROP TABLE audit_rules")
