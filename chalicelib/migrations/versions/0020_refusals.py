"""How many requests were refused lately, by code: the record of what never became an order.

Revision: 0020. A row is a code and one of ten minutes, which the next ten use again, so the table never grows
beyond ten rows a code and nothing has to be deleted.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

REFUSALS = """
CREATE TABLE refusals (
    slot   smallint CHECK (slot BETWEEN 0 AND 9),
    code   text CHECK (length(code) BETWEEN 1 AND 64),
    minute timestamptz NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    PRIMARY KEY (slot, code)
) WITH (fillfactor = 50);
COMMENT ON TABLE refusals IS 'Requests refused, by minute and code, for METRICS=1; slot: minute modulo ten'
"""


def upgrade() -> None:
    op.execute(REFUSALS)


def downgrade() -> None:
    op.execute("DROP TABLE refusals")
