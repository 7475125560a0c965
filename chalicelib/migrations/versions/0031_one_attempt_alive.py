"""One rule for an order's attempts: one at most can land or has landed. Its outcome is noted in place.

Revision: 0031. There were two rules, one open attempt and one landed: between them a new attempt was let in
beside one that had landed. And both indexes stood on the outcome, so noting it was a row anew and an entry
anew in every index. Now one index stands on a column that follows from the outcome and stays the same when
the attempt lands. The database computes it, also for functions of an earlier release. The table is written
anew: docs/deploying.md says for how long no function reads or changes attempts.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

UPGRADE = """
DROP INDEX attempts_one_open, attempts_one_landed;
ALTER TABLE attempts ADD COLUMN alive boolean
    GENERATED ALWAYS AS (CASE WHEN outcome IS NULL OR outcome = 'landed' THEN true END) STORED;
COMMENT ON COLUMN attempts.alive IS
    'Whether it can land or has landed, else NULL: for the index, which the outcome would move';
CREATE UNIQUE INDEX attempts_one_alive ON attempts (order_id) WHERE alive;
ALTER TABLE attempts SET (fillfactor = 85);
"""

DOWNGRADE = """
DROP INDEX attempts_one_alive;
ALTER TABLE attempts DROP COLUMN alive;
ALTER TABLE attempts RESET (fillfactor);
CREATE UNIQUE INDEX attempts_one_open ON attempts (order_id) WHERE outcome IS NULL;
CREATE UNIQUE INDEX attempts_one_landed ON attempts (order_id) WHERE outcome = 'landed';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
