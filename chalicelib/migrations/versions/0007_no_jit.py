"""Statements run at once, however dear the planner believes them.

Revision: 0007. PostgreSQL compiles what it expects to cost more than ``jit_above_cost``, and packages of
it come with that switched on. It expected a thousand times too much of the market's functions, since
ANALYZE had never counted the one row of ``market.chain``; compiling, anew for each execution, took thirty
times as long as all else of a batch.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# As in 0004: only the database's owner may, elsewhere the count alone has to do.
SETTING = """
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I {change}', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'jit stays as it is: this role does not own the database';
END $$
"""


def upgrade() -> None:
    # So small a table is never counted by itself.
    op.execute("ANALYZE market.chain")
    op.execute(SETTING.format(change="SET jit = off"))


def downgrade() -> None:
    op.execute(SETTING.format(change="RESET jit"))
