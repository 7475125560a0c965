"""Orders that wait do so whichever release looks at them.

Revision: 0049. Functions of 0.2.0 know no trigger, no pool that opens and no watch. Their sweep takes an
order that rests for one that a consumer left, and their consumer would execute it at once: what they write
then changes nothing, as if another consumer had moved the order on. What they end is watched no more.
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# Each statement that moves orders reads the conditions; what waits for a trigger or a pool is never ioc.
UPGRADE = """
CREATE FUNCTION public.keep_waiting() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT NEW.is_triggered AND num_nonnulls(NEW.trigger_terms, NEW.sniper_terms) > 0
        AND (NEW.status IN ('routing', 'routed', 'building', 'submitted', 'confirmed')
            -- Routed before it failed, and written in one.
            OR NEW.status = 'failed' AND NEW.seq > OLD.seq + 1) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER waiting_orders_wait BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.time_in_force <> 'ioc') EXECUTE FUNCTION public.keep_waiting();
CREATE FUNCTION public.disarm() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.ended_at IS NOT NULL THEN
        DELETE FROM public.watches WHERE order_id = NEW.order_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ended_orders_are_not_watched AFTER UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.time_in_force <> 'ioc') EXECUTE FUNCTION public.disarm();
"""

DOWNGRADE = """
DROP TRIGGER ended_orders_are_not_watched ON orders;
DROP TRIGGER waiting_orders_wait ON orders;
DROP FUNCTION public.disarm(), public.keep_waiting();
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
