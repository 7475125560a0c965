"""Marks of cancels of all are made under their lock whichever release makes them.

Revision: 0045. An order that comes on record with its transaction shares the lock of its account's marks, so
that either it sees a mark or the cancel sees it. A function of an earlier release makes marks without the
lock: an order in the queue could be sent after a cancel of all that such a function had answered.
"""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

# The first number is that of ``adapters/postgres/cancels.py``.
UPGRADE = f"""
CREATE FUNCTION public.lock_marks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({0x63616E63}, hashtext(NEW.account_id));
    RETURN NEW;
END $$;
CREATE TRIGGER marks_are_locked BEFORE INSERT ON cancel_marks
    FOR EACH ROW EXECUTE FUNCTION public.lock_marks();
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TRIGGER marks_are_locked ON cancel_marks; DROP FUNCTION public.lock_marks")
