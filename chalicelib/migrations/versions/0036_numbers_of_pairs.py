"""Ordered pairs of tokens never run out of numbers, and those that no order waits for may be forgotten.

Revision: 0036. A number was a ``smallint`` and stayed for ever; since orders may name mints that are in no
list, each new mint takes two. Now it is an integer. The reference to a pair moves to a column of its own,
with an index: the database asks it for each pair that is deleted, and on ``pair_id`` itself looks at prices
would be planned with it, which have to search along rates. ``watches`` is written anew with its indexes: what
puts orders to rest, fires them or moves on those that rested waits for it. What does not rest goes on.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

# In the order in which functions lock them.
LOCKED = "LOCK TABLE watch_pairs, watches, marks IN ACCESS EXCLUSIVE MODE"
# References are checked once, at the end. The sequence behind the numbers changes its type by itself.
UPGRADE = """
ALTER TABLE watches DROP CONSTRAINT watches_pair_id_fkey;
ALTER TABLE marks DROP CONSTRAINT marks_pair_id_fkey;
ALTER TABLE watch_pairs ALTER COLUMN pair_id TYPE integer;
ALTER TABLE marks ALTER COLUMN pair_id TYPE integer;
ALTER TABLE watches ALTER COLUMN pair_id TYPE integer,
    ADD COLUMN kept_pair integer GENERATED ALWAYS AS (pair_id) STORED;
COMMENT ON COLUMN watches.kept_pair IS
    'The same as pair_id, for the reference: its index must serve no search by rates';
CREATE INDEX watches_kept_pair ON watches (kept_pair);
ALTER TABLE watches ADD FOREIGN KEY (kept_pair) REFERENCES watch_pairs;
ALTER TABLE marks ADD FOREIGN KEY (pair_id) REFERENCES watch_pairs;
"""
# Fails, and changes nothing, if a number is too large by now.
DOWNGRADE = """
ALTER TABLE watches DROP COLUMN kept_pair;
ALTER TABLE marks DROP CONSTRAINT marks_pair_id_fkey;
ALTER TABLE watch_pairs ALTER COLUMN pair_id TYPE smallint;
ALTER TABLE marks ALTER COLUMN pair_id TYPE smallint;
ALTER TABLE watches ALTER COLUMN pair_id TYPE smallint;
ALTER TABLE watches ADD FOREIGN KEY (pair_id) REFERENCES watch_pairs;
ALTER TABLE marks ADD FOREIGN KEY (pair_id) REFERENCES watch_pairs;
"""
# What was known of a column goes with its type, and plans of every look stand on it.
KNOWN = "ANALYZE watch_pairs, watches, marks"


def upgrade() -> None:
    for part in (LOCKED, UPGRADE, KNOWN):
        op.execute(part)


def downgrade() -> None:
    for part in (LOCKED, DOWNGRADE, KNOWN):
        op.execute(part)
