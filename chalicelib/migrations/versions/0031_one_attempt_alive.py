"""One rule for an order's attempts: one at most can land or has landed. Its outcome is noted in place.

Revision: 0031. There were two rules, one open attempt and one landed: between them a new attempt was let in
beside one that had landed. And both indexes stood on the outcome, so noting it was a row anew and an entry
anew in every index. Now one index stands on a column that follows from the outcome and stays the same when
the attempt lands. A trigger keeps it, also for functions of an earlier release, and a rule holds it to that:
a column that the database computes by itself would have had the table written anew, closed to readers for
minutes. Functions go on while attempts that came to nothing are marked, a few thousand pages at a time,
and while the index is built; the old rules hold until the new one does. Killed in its middle it starts again.
"""

from alembic import op
from sqlalchemy import text

from chalicelib.migrations.online import while_functions_go_on

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

PAGES = 4_000
"""Looked through in one statement: 32 MB, and the rows in it that change are locked so long."""

# Rows that there are have the default without being written.
COLUMN = """
ALTER TABLE attempts ADD COLUMN IF NOT EXISTS alive boolean DEFAULT true;
"""
KEPT = """
COMMENT ON COLUMN attempts.alive IS
    'Whether it can land or has landed, else NULL: for the index, which the outcome would move';
CREATE OR REPLACE FUNCTION public.note_end_of_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.alive := NULL;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER attempts_end BEFORE INSERT OR UPDATE ON attempts
    FOR EACH ROW WHEN (NEW.outcome IN ('refused', 'dead')) EXECUTE FUNCTION public.note_end_of_attempt();
"""
FILLED = """
ALTER TABLE attempts SET (fillfactor = 85);
"""
SIZE = "SELECT pg_relation_size('attempts') / current_setting('block_size')::bigint"
# Nothing else of them changes, so the rule that outcomes stay is passed as archiving passes it.
MARK = """
DO $$ BEGIN
    PERFORM set_config('orderflow.archiving', 'on', true);
    UPDATE attempts SET alive = NULL
    WHERE ctid >= '({first},0)' AND ctid < '({behind},0)' AND outcome IN ('refused', 'dead') AND alive;
END $$
"""
BUILD = (
    "DROP INDEX CONCURRENTLY IF EXISTS attempts_one_alive",
    "CREATE UNIQUE INDEX CONCURRENTLY attempts_one_alive ON attempts (order_id) WHERE alive",
)
RULE = (
    "ALTER TABLE attempts DROP CONSTRAINT IF EXISTS attempts_alive_check",
    """ALTER TABLE attempts ADD CONSTRAINT attempts_alive_check CHECK (
        (alive IS TRUE) = (outcome IS NULL OR outcome = 'landed') AND alive IS NOT FALSE) NOT VALID""",
    "ALTER TABLE attempts VALIDATE CONSTRAINT attempts_alive_check",
)
REPLACED = (
    "DROP INDEX CONCURRENTLY IF EXISTS attempts_one_open",
    "DROP INDEX CONCURRENTLY IF EXISTS attempts_one_landed",
)

DOWNGRADE = """
DROP INDEX attempts_one_alive;
DROP TRIGGER attempts_end ON attempts;
DROP FUNCTION public.note_end_of_attempt;
ALTER TABLE attempts DROP COLUMN alive;
ALTER TABLE attempts RESET (fillfactor);
CREATE UNIQUE INDEX attempts_one_open ON attempts (order_id) WHERE outcome IS NULL;
CREATE UNIQUE INDEX attempts_one_landed ON attempts (order_id) WHERE outcome = 'landed';
"""


def upgrade() -> None:
    for part in (COLUMN, KEPT, FILLED):
        op.execute(part)
    with while_functions_go_on() as connection:
        pages = connection.execute(text(SIZE)).scalar_one()
        for first in range(0, pages, PAGES):
            op.execute(MARK.format(first=first, behind=first + PAGES))
        for statement in BUILD:
            op.execute(statement)
    with while_functions_go_on(takes_turns=True):
        for statement in RULE:
            op.execute(statement)
    with while_functions_go_on():
        for statement in REPLACED:
            op.execute(statement)


def downgrade() -> None:
    op.execute(DOWNGRADE)
