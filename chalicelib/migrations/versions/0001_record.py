"""The record: orders, their events and attempts, who listens, and what died.

Revision: 0001. Every rule that can be a constraint is one: two events with the same number, two
final events, two open or two landed attempts of one order cannot exist, whatever the code does.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"
STATUSES = (
    "('pending', 'open', 'routing', 'routed', 'building', 'submitted', "
    "'confirmed', 'failed', 'canceled', 'expired')"
)

ORDERS = f"""
CREATE TABLE orders (
    order_id        uuid PRIMARY KEY,
    account_id      text NOT NULL CHECK (length(account_id) BETWEEN 1 AND 128),
    client_order_id text CHECK (length(client_order_id) BETWEEN 1 AND 64),
    order_type      text NOT NULL CHECK (order_type IN ('market', 'limit', 'sniper')),
    swap_mode       text NOT NULL CHECK (swap_mode IN ('exact_in', 'exact_out')),
    input_token     text NOT NULL,
    output_token    text NOT NULL CHECK (output_token <> input_token),
    amount_units    numeric(39, 0) NOT NULL CHECK (amount_units > 0),
    price_base      text NOT NULL CHECK (price_base IN (input_token, output_token)),
    slippage_bps    integer NOT NULL CHECK (slippage_bps BETWEEN 0 AND 10000),
    content_sha256  text NOT NULL,
    accepted_at     timestamptz NOT NULL,
    valid_until     timestamptz NOT NULL CHECK (valid_until >= accepted_at),

    status          text NOT NULL CHECK (status IN {STATUSES}),
    seq             integer NOT NULL CHECK (seq >= 1),
    attempt         integer NOT NULL CHECK (attempt >= 1),
    fence           bigint NOT NULL CHECK (fence >= 1),
    lease_until     timestamptz NOT NULL,
    tx_signature    text,
    input_units     numeric(39, 0) CHECK (input_units > 0),
    output_units    numeric(39, 0) CHECK (output_units > 0),
    failure_code    text,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),

    UNIQUE (account_id, client_order_id),
    CHECK ((status = 'confirmed') = (input_units IS NOT NULL AND output_units IS NOT NULL)),
    CHECK (status NOT IN ('submitted', 'confirmed') OR tx_signature IS NOT NULL),
    CHECK ((status = 'failed') = (failure_code IS NOT NULL))
) WITH (fillfactor = 70)
"""

EVENTS = f"""
CREATE TABLE order_events (
    order_id    uuid NOT NULL REFERENCES orders,
    seq         integer NOT NULL CHECK (seq >= 1),
    status      text NOT NULL CHECK (status IN {STATUSES}),
    attempt     integer NOT NULL CHECK (attempt >= 1),
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    data        jsonb NOT NULL,
    PRIMARY KEY (order_id, seq)
)
"""

ATTEMPTS = """
CREATE TABLE attempts (
    signature         text PRIMARY KEY,
    order_id          uuid NOT NULL REFERENCES orders,
    attempt           integer NOT NULL CHECK (attempt >= 1),
    payload           bytea NOT NULL,
    last_valid_height bigint NOT NULL,
    quoted_in_units   numeric(39, 0) NOT NULL CHECK (quoted_in_units > 0),
    quoted_out_units  numeric(39, 0) NOT NULL CHECK (quoted_out_units > 0),
    threshold_units   numeric(39, 0) NOT NULL CHECK (threshold_units > 0),
    fence             bigint NOT NULL,
    outcome           text CHECK (outcome IN ('landed', 'refused', 'dead')),
    signed_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at       timestamptz,
    UNIQUE (order_id, attempt),
    CHECK ((outcome IS NULL) = (resolved_at IS NULL))
)
"""

LISTENERS = """
CREATE TABLE connections (
    connection_id text PRIMARY KEY,
    account_id    text NOT NULL,
    connected_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz NOT NULL
)
"""

# An all-zero order_id stands for every order of the account. A subscription that is not live is
# being caught up by a replay (replay_id): until it is, no other process sends to it.
SUBSCRIPTIONS = """
CREATE TABLE subscriptions (
    connection_id text NOT NULL,
    order_id      uuid NOT NULL,
    account_id    text NOT NULL,
    live          boolean NOT NULL,
    replayed_to   integer NOT NULL CHECK (replayed_to >= 0),
    replay_id     uuid,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (connection_id, order_id)
)
"""

# Reserves a client's own id for one content before the order is even in the queue.
CLIENT_ORDER_KEYS = """
CREATE TABLE client_order_keys (
    account_id      text NOT NULL,
    client_order_id text NOT NULL,
    content_sha256  text NOT NULL,
    reserved_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account_id, client_order_id)
)
"""

DEAD_LETTERS = """
CREATE TABLE dead_letters (
    message_id    text PRIMARY KEY,
    order_id      uuid,
    body          text NOT NULL,
    receive_count integer NOT NULL CHECK (receive_count >= 0),
    reason        text NOT NULL,
    archived_at   timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


def upgrade() -> None:
    for table in (ORDERS, EVENTS, ATTEMPTS, LISTENERS, SUBSCRIPTIONS, CLIENT_ORDER_KEYS, DEAD_LETTERS):
        op.execute(table)
    op.execute("CREATE INDEX orders_by_account ON orders (account_id, accepted_at DESC, order_id DESC)")
    op.execute(f"CREATE INDEX orders_unfinished ON orders (accepted_at) WHERE status NOT IN {FINAL}")
    op.execute(f"CREATE UNIQUE INDEX events_one_final ON order_events (order_id) WHERE status IN {FINAL}")
    op.execute("CREATE UNIQUE INDEX attempts_one_open ON attempts (order_id) WHERE outcome IS NULL")
    op.execute("CREATE UNIQUE INDEX attempts_one_landed ON attempts (order_id) WHERE outcome = 'landed'")
    op.execute("CREATE INDEX subscriptions_by_order ON subscriptions (order_id)")
    op.execute("CREATE INDEX subscriptions_by_account ON subscriptions (account_id)")
    op.execute("CREATE INDEX connections_by_account ON connections (account_id)")


def downgrade() -> None:
    for table in (
        "dead_letters",
        "client_order_keys",
        "subscriptions",
        "connections",
        "attempts",
        "order_events",
        "orders",
    ):
        op.execute(f"DROP TABLE {table}")
