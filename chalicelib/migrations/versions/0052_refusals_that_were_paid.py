"""What the chain refused is counted apart from what never landed; and consumers that died over an order are.

Revision: 0052. An order with a limit that was refused often is left alone for longer, as each refusal takes a
fee. What a network dropped took none, and counted as well; and an amended limit kept the count of the last
one. Orders that rest now begin anew. An order over which its consumers die rests again, too, when its message
is used up, and fires again: that has a bound by their count.
"""

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# The rule is not checked of the rows that are there, which all have the default: that would hold up orders
# for as long as it takes to read the table.
UPGRADE = """
ALTER TABLE orders
    ADD COLUMN paid_refusals integer NOT NULL DEFAULT 0,
    ADD COLUMN given_up integer NOT NULL DEFAULT 0;
ALTER TABLE orders
    ADD CONSTRAINT orders_paid_refusals_check CHECK (paid_refusals >= 0) NOT VALID,
    ADD CONSTRAINT orders_given_up_check CHECK (given_up >= 0) NOT VALID;
COMMENT ON COLUMN orders.paid_refusals IS
    'How many transactions the chain refused, for a fee, since limit or amount were amended last';
COMMENT ON COLUMN orders.given_up IS
    'How many leases ran out since a consumer put the order to rest: those died over it, or lost the record';
"""

DOWNGRADE = """
ALTER TABLE orders DROP COLUMN paid_refusals, DROP COLUMN given_up;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
