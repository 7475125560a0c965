"""An order moves on in place: no index of ``orders`` is touched between its creation and its end.

Revision: 0024. The status stood in the conditions of three partial indexes and the time of the last change in
one, so each step of each order was a row anew and an entry anew in every index. Now the conditions are on two
columns that follow from the status and stay the same on the way. The database computes them, also for
functions of an earlier release; those find an account's unfinished orders among all of its orders meanwhile,
not by an index of their own. The table is written anew: no function reads or changes orders for 23 seconds a
million of them (on a busy machine), and what clients submit waits in the queue.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"
IDLE = "('open', 'confirmed', 'failed', 'canceled', 'expired')"

UPGRADE = f"""
DROP INDEX orders_unfinished, orders_resting, orders_to_archive;
ALTER TABLE orders
    ADD COLUMN rests boolean GENERATED ALWAYS AS (CASE WHEN status = 'open' THEN true END) STORED,
    ADD COLUMN ended_at timestamptz
        GENERATED ALWAYS AS (CASE WHEN status IN {FINAL} THEN updated_at END) STORED;
COMMENT ON COLUMN orders.rests IS
    'Whether it is open, else NULL: for conditions of indexes, which the status would move';
COMMENT ON COLUMN orders.ended_at IS 'When it ended, else NULL; likewise';
CREATE INDEX orders_unfinished ON orders (account_id, accepted_at) WHERE ended_at IS NULL AND rests IS NULL;
CREATE INDEX orders_resting ON orders (account_id, accepted_at) WHERE rests;
CREATE INDEX orders_to_archive ON orders (ended_at, order_id)
    WHERE ended_at IS NOT NULL AND archive_id IS NULL;
"""

DOWNGRADE = f"""
DROP INDEX orders_unfinished, orders_resting, orders_to_archive;
ALTER TABLE orders DROP COLUMN rests, DROP COLUMN ended_at;
CREATE INDEX orders_unfinished ON orders (account_id, accepted_at) WHERE status NOT IN {IDLE};
CREATE INDEX orders_resting ON orders (account_id, accepted_at) WHERE status = 'open';
CREATE INDEX orders_to_archive ON orders (updated_at, order_id)
    WHERE status IN {FINAL} AND archive_id IS NULL;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
