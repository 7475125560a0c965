"""A client order id is reserved without waiting for the disk.

Revision: 0014. The reservation is an early answer: the record decides which of two contents has the id. If
the server loses its last moments, the reservations of those go with them, and nothing else does. Waiting for
the disk was two thirds of what a reservation took. The setting ends with the statement's transaction. It is
made inside a function because RDS Proxy pins a session to its client when it sees ``SET`` or ``set_config``
in a statement
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html).
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Each statement of a volatile function sees what was committed before it, so the second one finds the row
# also where another transaction inserted it at the same moment.
RESERVE = """
CREATE FUNCTION public.reserve_client_order_id(account text, client text, content text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    kept text;
BEGIN
    PERFORM pg_catalog.set_config('synchronous_commit', 'off', true);
    INSERT INTO public.client_order_keys AS k (account_id, client_order_id, content_sha256)
    VALUES (account, client, content) ON CONFLICT DO NOTHING RETURNING k.content_sha256 INTO kept;
    IF kept IS NULL THEN
        SELECT k.content_sha256 INTO kept FROM public.client_order_keys AS k
        WHERE k.account_id = account AND k.client_order_id = client;
    END IF;
    RETURN kept;
END
$$
"""


def upgrade() -> None:
    op.execute(RESERVE)


def downgrade() -> None:
    op.execute("DROP FUNCTION public.reserve_client_order_id(text, text, text)")
