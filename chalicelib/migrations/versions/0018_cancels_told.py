"""What is not known to be published of changes beside the consumer's, and what all cancels cover.

Revision: 0018. A cancel or an amendment names its order in ``unpublished`` in the same commit, and the note
that it was published takes it out. What stays there is published by the sweep, whichever process died.
``cancel_marks`` keeps one cancel-all request for each account and filter: an order that was accepted before
it and is recorded after it, since its message was in the queue, is canceled too. Stops by the executable rate
are found by the class of their sizes. Code from before it writes none of this.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE unpublished (
    order_id   uuid PRIMARY KEY REFERENCES orders,
    account_id text NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX unpublished_since ON unpublished (since);
COMMENT ON TABLE unpublished IS 'Orders with events beside the consumer''s, not known to be published';

ALTER TABLE watches
    DROP CONSTRAINT watches_look_check,
    ADD CONSTRAINT watches_look_check CHECK (look BETWEEN 0 AND 4107) NOT VALID;
COMMENT ON COLUMN watches.look IS
    '0: the best marginal rate; 1 to 10: the mark, held for so many blocks; 11: a launch; above: sizes';

CREATE TABLE cancel_marks (
    account_id     text NOT NULL,
    base           text NOT NULL,
    quote          text NOT NULL,
    types          text NOT NULL,
    accepted_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, base, quote, types)
);
COMMENT ON TABLE cancel_marks IS 'Orders accepted until then, recorded later, are canceled; empty means all';
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE cancel_marks, unpublished")
    op.execute("DELETE FROM watches WHERE look > 11")
    op.execute(
        "ALTER TABLE watches DROP CONSTRAINT watches_look_check,"
        " ADD CONSTRAINT watches_look_check CHECK (look BETWEEN 0 AND 11)"
    )
