"""What resting orders wait for: found by their rates, whatever number of them rests.

Revision: 0009. A resting order has a row of ``watches`` and no message. ``marks`` keeps the last blocks'
marks, for triggers that want one to hold for some of them.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE watch_pairs (
    pair_id      smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    input_token  text NOT NULL,
    output_token text NOT NULL CHECK (output_token <> input_token),
    UNIQUE (input_token, output_token)
);
COMMENT ON TABLE watch_pairs IS
    'Short numbers for ordered pairs of tokens: there are few, and a million rows name one';

CREATE TABLE watches (
    order_id     uuid PRIMARY KEY REFERENCES orders,
    accepted_at  timestamptz NOT NULL,
    wake_at      timestamptz,
    since_height bigint NOT NULL CHECK (since_height >= 0),
    fired_at     timestamptz,
    sent_at      timestamptz,
    fired_height bigint,
    firing       integer NOT NULL DEFAULT 0 CHECK (firing >= 0),
    pair_id      smallint NOT NULL REFERENCES watch_pairs,
    look         smallint NOT NULL CHECK (look BETWEEN 0 AND 10),
    armed        boolean NOT NULL,
    direction    text NOT NULL CHECK (direction IN ('at_least', 'at_most')),
    rate_out     numeric NOT NULL CHECK (rate_out > 0),
    rate_in      numeric NOT NULL CHECK (rate_in > 0),
    wake_key     numeric NOT NULL CHECK (wake_key > 0),
    own_key      numeric,
    fired_by     text CHECK (fired_by IN ('rate', 'time')),
    seen_out     numeric,
    seen_in      numeric,
    CHECK (armed = (fired_at IS NULL)),
    CHECK (armed = (sent_at IS NULL)),
    CHECK (armed = (fired_by IS NULL)),
    CHECK ((fired_by = 'rate') IS NOT TRUE
        OR (seen_out IS NOT NULL AND seen_in IS NOT NULL AND fired_height IS NOT NULL))
) WITH (fillfactor = 90);
COMMENT ON COLUMN watches.rate_out IS 'Output per input as a fraction: what decides';
COMMENT ON COLUMN watches.wake_key IS 'The same to 20 digits, never rounded the wrong way: what is searched';
COMMENT ON COLUMN watches.own_key IS
    'The key of the rate itself, while another one is searched; NULL otherwise';
COMMENT ON COLUMN watches.look IS '0: the best marginal rate; 1 to 10: the mark, held for so many blocks';

CREATE INDEX watches_rising ON watches (pair_id, look, wake_key) WHERE armed AND direction = 'at_least';
CREATE INDEX watches_falling ON watches (pair_id, look, wake_key DESC) WHERE armed AND direction = 'at_most';
CREATE INDEX watches_wake ON watches (wake_at) WHERE armed AND wake_at IS NOT NULL;
CREATE INDEX watches_fired ON watches (sent_at) WHERE NOT armed;
CREATE INDEX watches_elsewhere ON watches (pair_id) WHERE armed AND own_key IS NOT NULL;

CREATE TABLE marks (
    pair_id smallint NOT NULL REFERENCES watch_pairs,
    height  bigint NOT NULL,
    low     numeric NOT NULL CHECK (low > 0),
    high    numeric NOT NULL CHECK (high >= low),
    PRIMARY KEY (pair_id, height)
);
COMMENT ON TABLE marks IS 'The lowest and highest mark seen in each of the last blocks';
"""


def upgrade() -> None:
    op.execute(TABLES)


def downgrade() -> None:
    op.execute("DROP TABLE marks, watches, watch_pairs")
