"""What the schema says of its columns is what they hold by now.

Revision: 0051. An attempt that never landed counts in ``refused_at_bound`` as well. A watch is searched by
another rate than its own where its order's size did not fit, and by a moment where it waits for a launch.
"""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

UPGRADE = """
COMMENT ON COLUMN orders.refused_at_bound IS
    'How many transactions used up no attempt: refused at the limit, or dead with no attempt or time left';
COMMENT ON COLUMN watches.rate_out IS
    'Output per input as a fraction: what decides; where a launch is waited for, a moment in microseconds';
COMMENT ON COLUMN watches.wake_key IS
    'What is searched, to 20 digits, never rounded the wrong way: the rate, or a better one meanwhile';
"""

DOWNGRADE = """
COMMENT ON COLUMN watches.wake_key IS 'The same to 20 digits, never rounded the wrong way: what is searched';
COMMENT ON COLUMN watches.rate_out IS 'Output per input as a fraction: what decides';
COMMENT ON COLUMN orders.refused_at_bound IS
    'How many transactions the chain refused at the limit: no attempt is used up';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
