"""Whose wallet it is: what a wallet signed to be an account's.

Revision: 0011. Registering and unregistering is the operator's; functions read. They check the signature
again, so that a row alone gives no account a wallet.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE registered_wallets (
    wallet        text NOT NULL CHECK (wallet ~ '^[1-9A-HJ-NP-Za-km-z]{32,44}$'),
    account_id    text NOT NULL CHECK (length(account_id) BETWEEN 1 AND 128),
    challenge     text NOT NULL,
    signature     bytea NOT NULL CHECK (octet_length(signature) = 64),
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at    timestamptz CHECK (revoked_at >= registered_at),
    PRIMARY KEY (wallet, registered_at)
);
COMMENT ON TABLE registered_wallets IS
    'A wallet stays an account''s until it is revoked; rows stay as evidence';
CREATE UNIQUE INDEX registered_wallets_account ON registered_wallets (account_id) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX registered_wallets_wallet ON registered_wallets (wallet) WHERE revoked_at IS NULL;
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE registered_wallets")
