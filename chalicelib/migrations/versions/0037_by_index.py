"""Rows are reached through indexes, also where a table was small when a statement was planned.

Revision: 0037. Functions keep their connections, and connections the plans of their statements. A table that
was counted while it had a dozen rows is read whole by each statement that was planned then, until it is
counted again, a minute later at best: seven hundred subscriptions an order, where two were wanted. Nothing
that is in a hurry reads whole tables; audits ask for it (``reads_whole_tables``).
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

# As in 0004: only the database's owner may. Before 18, the planner adds so much to the cost of what it is not
# to do that it cannot tell plans apart which have to do it all the same.
SETTING = """
DO $$
BEGIN
    IF current_setting('server_version_num')::integer >= 180000 THEN
        EXECUTE format('ALTER DATABASE %I {change}', current_database());
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'small tables may be read whole: this role does not own the database';
END $$
"""


def upgrade() -> None:
    op.execute(SETTING.format(change="SET enable_seqscan = off"))


def downgrade() -> None:
    op.execute(SETTING.format(change="RESET enable_seqscan"))
