"""Orders that wait do so whichever release looks at them.

Revision: 0049. Functions of 0.2.0 know no limit, no trigger, no pool that opens and no watch. Their sweep
takes an order that rests for one that a consumer left, and their consumer ends it as failed, or executes at
once one that was yet to be put to rest. Of an order that may rest they can write that it was canceled or
expired; what else they write changes nothing, as if another consumer had moved it on. What they end is
watched no more.

Their statements are told by a column that they do not set, as all do since 0010.
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# Triggers before a row fire by their names' order, and one of a column for statements that set it. What lies
# between them is never stored. Each statement that moves orders reads the conditions, so they are short.
UPGRADE = """
ALTER TABLE orders ADD COLUMN knows_waiting boolean;
COMMENT ON COLUMN orders.knows_waiting IS 'NULL; while a row is written, whether its writer knows what waits';
CREATE FUNCTION public.note_knowing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.knows_waiting := true;
    RETURN NEW;
END $$;
CREATE FUNCTION public.keep_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.knows_waiting IS NULL AND NEW.status NOT IN ('canceled', 'expired') THEN
        RETURN NULL;
    END IF;
    NEW.knows_waiting := NULL;
    RETURN NEW;
END $$;
CREATE FUNCTION public.disarm() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.ended_at IS NOT NULL THEN
        DELETE FROM public.watches WHERE order_id = NEW.order_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER waiting_1_known BEFORE UPDATE OF is_triggered ON orders FOR EACH ROW
    WHEN (NEW.time_in_force <> 'ioc') EXECUTE FUNCTION public.note_knowing();
CREATE TRIGGER waiting_2_kept BEFORE UPDATE OF status, is_triggered ON orders FOR EACH ROW
    WHEN (NEW.time_in_force <> 'ioc') EXECUTE FUNCTION public.keep_waiting();
CREATE TRIGGER waiting_3_disarmed AFTER UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.time_in_force <> 'ioc') EXECUTE FUNCTION public.disarm();
"""

DOWNGRADE = """
DROP TRIGGER waiting_3_disarmed ON orders;
DROP TRIGGER waiting_2_kept ON orders;
DROP TRIGGER waiting_1_known ON orders;
DROP FUNCTION public.disarm(), public.keep_waiting(), public.note_knowing();
ALTER TABLE orders DROP COLUMN knows_waiting;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
