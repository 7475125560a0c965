"""Whether a row may leave is asked for each row that does: what answers it is planned once.

Revision: 0034. A function of one statement was started anew each time, for a view of three tables: a fifth of
what an archived order costs the database. It means what it did.

Where 0031 was applied while it still had the database compute ``attempts.alive``, a trigger and a rule keep
that column from here on, as everywhere else. No table is written for this, one is read.
"""

from alembic import op

revision = "0034"
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
# As in 0031, which another database has from there.
ALIVE = """
DO $$ BEGIN
    IF (SELECT attgenerated FROM pg_attribute WHERE attrelid = 'public.attempts'::regclass
        AND attname = 'alive') = 's' THEN
        ALTER TABLE attempts ALTER COLUMN alive DROP EXPRESSION;
        ALTER TABLE attempts ALTER COLUMN alive SET DEFAULT true;
        ALTER TABLE attempts ADD CONSTRAINT attempts_alive_check CHECK (
            (alive IS TRUE) = (outcome IS NULL OR outcome = 'landed') AND alive IS NOT FALSE) NOT VALID;
        ALTER TABLE attempts VALIDATE CONSTRAINT attempts_alive_check;
        CREATE FUNCTION public.note_end_of_attempt() RETURNS trigger LANGUAGE plpgsql AS $end$
        BEGIN
            NEW.alive := NULL;
            RETURN NEW;
        END $end$;
        CREATE TRIGGER attempts_end BEFORE INSERT OR UPDATE ON attempts FOR EACH ROW
            WHEN (NEW.outcome IN ('refused', 'dead')) EXECUTE FUNCTION public.note_end_of_attempt();
    END IF;
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
    op.execute(ALIVE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
