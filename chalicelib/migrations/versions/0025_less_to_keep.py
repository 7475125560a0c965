"""Hashes that a later one covers are left out, and no index is kept that nothing asks for.

Revision: 0025. Of events that are written together only the last needs its hash: it is taken of all of them.
The transactions of an order in the simulated market are looked for by the audit alone, which reads all of
them. Vacuum keeps up: by itself it comes when a fifth of a table is dead, of a table that has grown to
millions of rows once in hours and for minutes. No table is read or written for this.
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# No row that there is breaks a rule that only grows: they are not read again.
UPGRADE = """
ALTER TABLE order_events
    DROP CONSTRAINT order_events_chain_check,
    ADD CONSTRAINT order_events_chain_check CHECK (length(chain) IN (0, 32)) NOT VALID;
COMMENT ON COLUMN order_events.chain IS
    'SHA-256 of the predecessor''s and this row; empty if a later one covers it, NULL from before';
DROP INDEX market.transactions_order_id;
"""

# Rows of these change once and then never again, or are deleted in the thousands.
VACUUM = """
ALTER TABLE orders SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE attempts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE order_events SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE subscriptions SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
ALTER TABLE watches SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
"""
BEFORE = """
ALTER TABLE orders RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_analyze_scale_factor);
ALTER TABLE orders SET (fillfactor = 70);
ALTER TABLE attempts RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE order_events RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_scale_factor);
ALTER TABLE subscriptions RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE watches RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
CREATE INDEX transactions_order_id ON market.transactions (order_id);
"""


def upgrade() -> None:
    op.execute(UPGRADE)
    op.execute(VACUUM)


def downgrade() -> None:
    # Empty hashes stay, and so does the rule that allows them: they are not to be made up for.
    op.execute(BEFORE)
