"""Whether a row may leave is asked for each row that does: what answers it is planned once.

Revision: 0036. A function of one statement was started anew each time, for a view of three tables: a fifth of
what an archived order costs the database. It means what it did.
"""

from alembic import op

revision = "0036"
down_revision = "0033"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE OR REPLACE FUNCTION public.is_archiving() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(pg_catalog.current_setting('orderflow.archiving', true), '') <> 'on' THEN
        RETURN false;
    END IF;
    RETURN current_user = (SELECT pg_catalog.pg_get_userbyid(relowner) FROM pg_catalog.pg_class
                           WHERE oid = 'public.order_events'::pg_catalog.regclass);
END $$;
"""
DOWNGRADE = """
CREATE OR REPLACE FUNCTION public.is_archiving() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('orderflow.archiving', true), '') = 'on'
        AND current_user = (SELECT tableowner FROM pg_catalog.pg_tables
                            WHERE schemaname = 'public' AND tablename = 'order_events')
$$;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
