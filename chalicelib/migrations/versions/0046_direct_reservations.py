"""What may do without the disk says so by calling a function, within a statement of its own.

Revision: 0046. RDS Proxy pins a session to its client when it sees ``SET`` or ``set_config`` in a statement
(https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html), so the setting is made inside
a function. Being one expression in SQL, it becomes part of the statement when that is planned: a reservation
of a client order id, which was a function in PL/pgSQL with statements of its own (0014), is one INSERT.
Functions of earlier releases call that one until they are replaced.
"""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

# The setting ends with the transaction.
UPGRADE = """
CREATE FUNCTION public.without_waiting() RETURNS text LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.set_config('synchronous_commit', 'off', true) $$
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP FUNCTION public.without_waiting()")
