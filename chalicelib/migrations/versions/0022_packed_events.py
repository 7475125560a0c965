"""Long fields of events are packed: a fifth of their bytes.

Revision: 0022. Rows that there are stay as they are, and are read as before. Code from before it reads packed
fields as none: a replay that it serves while functions are being replaced lacks them, unless the new ones run
with ``PACKED_EVENTS=0`` until the old ones are gone (docs/deploying.md). No table is read or written for it.
"""

import json

from alembic import op
from sqlalchemy import text

from chalicelib.wire.packed_fields import unpacked

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

# Only one of the two columns says something, so that no statement that looks into the one can be told another
# story than the owner was by the other. No row that there is breaks that: they are not read.
UPGRADE = r"""
ALTER TABLE order_events
    ADD COLUMN packed bytea NOT NULL DEFAULT '',
    ADD CONSTRAINT order_events_packed_check CHECK (
        packed = '' OR (data = '{}' AND status IN ('pending', 'routed', 'confirmed'))) NOT VALID;
COMMENT ON COLUMN order_events.packed IS
    'What data would hold, deflated; unless it is empty: see wire/packed_fields.py'
"""

PART = 1_000

SOME = text("SELECT order_id, seq, packed FROM order_events WHERE packed <> '' LIMIT :part")
UNPACK = text("""
UPDATE order_events SET data = CAST(:data AS jsonb), packed = '' WHERE order_id = :order_id AND seq = :seq
""")


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    connection = op.get_bind()
    connection.execute(text("ALTER TABLE order_events DISABLE TRIGGER events_stay"))
    while rows := connection.execute(SOME, {"part": PART}).all():
        unpack = [
            {"order_id": row.order_id, "seq": row.seq, "data": json.dumps(unpacked(bytes(row.packed)))}
            for row in rows
        ]
        connection.execute(UNPACK, unpack)
    connection.execute(text("ALTER TABLE order_events ENABLE TRIGGER events_stay"))
    connection.execute(text("ALTER TABLE order_events DROP COLUMN packed"))
