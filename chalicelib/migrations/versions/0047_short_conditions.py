"""What an order's update must not do is told in fewer words.

Revision: 0047. The server reads the text of a trigger's condition for each statement that updates the table,
10 KB for an order's. What a final order may still say of itself is judged by the trigger's function, which is
called for final orders alone; and that terms stay is asked only of statements that set one. They mean what
they meant. 3 % less of the server's time for a batch's outcomes.
"""

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"
TERMS = ("amount_units", "limit_terms", "trigger_terms", "time_in_force", "expires_at", "valid_until")
CHANGED = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in TERMS)
CONDITION = f"({CHANGED}) AND (OLD.status <> 'open' OR NEW.status <> 'open' OR NEW.seq <> OLD.seq + 1)"
TERMS_STAY = "public.refuse_change('the terms of an order stay while it does not rest')"

# That it ended follows from the status (0024).
UPGRADE = f"""
CREATE FUNCTION public.keep_final_order() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NOT public.is_archiving() AND (NEW.told_seq < OLD.told_seq OR NEW.told_seq > NEW.seq
            OR to_jsonb(NEW) - 'told_seq' IS DISTINCT FROM to_jsonb(OLD) - 'told_seq') THEN
        RAISE EXCEPTION 'update of orders is refused: the order is final'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER final_orders_stay AFTER UPDATE ON orders FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION public.keep_final_order();
CREATE OR REPLACE TRIGGER terms_stay AFTER UPDATE OF {", ".join(TERMS)} ON orders FOR EACH ROW
    WHEN ({CONDITION}) EXECUTE FUNCTION {TERMS_STAY};
"""

DOWNGRADE = f"""
CREATE OR REPLACE TRIGGER terms_stay AFTER UPDATE ON orders FOR EACH ROW
    WHEN ({CONDITION}) EXECUTE FUNCTION {TERMS_STAY};
CREATE OR REPLACE TRIGGER final_orders_stay AFTER UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL} AND NOT public.is_archiving()
        AND (NEW.told_seq < OLD.told_seq OR NEW.told_seq > NEW.seq
            OR to_jsonb(NEW) - 'told_seq' IS DISTINCT FROM to_jsonb(OLD) - 'told_seq'))
    EXECUTE FUNCTION public.refuse_change('the order is final');
DROP FUNCTION public.keep_final_order();
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
