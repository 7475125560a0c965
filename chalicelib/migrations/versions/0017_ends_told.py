"""How far a final order was told may still be noted; all else of it stays.

Revision: 0017. A cancel of a resting order is told after its commit, and a message that was sent before it
has a consumer tell it if that process dies. Noted as told, it is not told twice.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"

# The rows are compared for final orders alone: the conditions are judged in their order.
NOTED = f"""
DROP TRIGGER final_orders_stay ON orders;
CREATE TRIGGER final_orders_stay AFTER UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL} AND NOT public.is_archiving()
        AND (NEW.told_seq < OLD.told_seq OR NEW.told_seq > NEW.seq
            OR to_jsonb(NEW) - 'told_seq' IS DISTINCT FROM to_jsonb(OLD) - 'told_seq'))
    EXECUTE FUNCTION public.refuse_change('the order is final');
CREATE TRIGGER final_orders_last AFTER DELETE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL} AND NOT public.is_archiving())
    EXECUTE FUNCTION public.refuse_change('the order is final');
"""

BEFORE = f"""
DROP TRIGGER final_orders_last ON orders;
DROP TRIGGER final_orders_stay ON orders;
CREATE TRIGGER final_orders_stay AFTER UPDATE OR DELETE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL} AND NOT public.is_archiving())
    EXECUTE FUNCTION public.refuse_change('the order is final');
"""


def upgrade() -> None:
    op.execute(NOTED)


def downgrade() -> None:
    op.execute(BEFORE)
