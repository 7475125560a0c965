"""What sets something for its transaction says so by calling a function, as 0046 did for one setting.

Revision: 0048. RDS Proxy pins a session to its client when it sees ``SET`` or ``set_config`` in a statement
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html); what functions do, it does
not see, and the setting ends with the transaction. It is the caller's own right: nothing is set that the
login could not set by itself.
"""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE FUNCTION public.for_transaction(setting text, value text) RETURNS text LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.set_config(setting, value, true) $$
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP FUNCTION public.for_transaction(text, text)")
