"""Orders that wait for a pool to open, and when the simulated market's pools did.

Revision: 0016. A row of ``watches`` may be woken by an opening. Pools that are as old as the market have no
row in ``market.launches``: they open for no order.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# No row that there is breaks a rule that only grows: they are not read again.
UPGRADE = """
ALTER TABLE watches
    DROP CONSTRAINT watches_look_check,
    ADD CONSTRAINT watches_look_check CHECK (look BETWEEN 0 AND 11) NOT VALID;
COMMENT ON COLUMN watches.look IS
    '0: the best marginal rate; 1 to 10: the mark, held for so many blocks; 11: an opening';

CREATE TABLE market.launches (
    pool_id   text PRIMARY KEY REFERENCES market.pools ON DELETE CASCADE,
    opened_at timestamptz NOT NULL,
    height    bigint NOT NULL CHECK (height >= 0)
);
CREATE TABLE market.tokens (
    mint  text PRIMARY KEY CHECK (mint ~ '^[1-9A-HJ-NP-Za-km-z]{32,44}$'),
    scale smallint NOT NULL CHECK (scale BETWEEN 0 AND 18)
);
COMMENT ON TABLE market.tokens IS 'Mints that pools were opened for and that are not listed';
COMMENT ON COLUMN market.launches.opened_at IS 'By the market''s clock; it may be yet to come';
"""

DOWNGRADE = """
DROP TABLE market.tokens, market.launches;
DELETE FROM watches WHERE look = 11;
ALTER TABLE watches
    DROP CONSTRAINT watches_look_check,
    ADD CONSTRAINT watches_look_check CHECK (look BETWEEN 0 AND 10);
COMMENT ON COLUMN watches.look IS '0: the best marginal rate; 1 to 10: the mark, held for so many blocks';
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
