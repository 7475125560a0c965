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

UPGRADE = """
CREATE FUNCTION public.leave_as_it_is() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER waiting_orders_wait BEFORE UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.status = 'routing' AND NOT NEW.is_triggered
        AND num_nonnulls(NEW.trigger_terms, NEW.sniper_terms) > 0)
    EXECUTE FUNCTION public.leave_as_it_is();
CREATE FUNCTION public.disarm() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM public.watches WHERE order_id = NEW.order_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ended_orders_are_not_watched AFTER UPDATE OF status ON orders FOR EACH ROW
    WHEN (NEW.ended_at IS NOT NULL AND num_nonnulls(NEW.limit_terms, NEW.trigger_terms, NEW.sniper_terms) > 0)
    EXECUTE FUNCTION public.disarm();
"""

DOWNGRADE = """
DROP TRIGGER ended_orders_are_not_watched ON orders;
DROP TRIGGER waiting_orders_wait ON orders;
DROP FUNCTION public.disarm(), public.leave_as_it_is();
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
