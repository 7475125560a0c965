"""A transaction that is left open ends, and with it what it holds.

Revision: 0050. A host that vanishes says no goodbye, and the server notices after two hours that it is gone:
for so long it kept what a transaction of several statements had locked there, an order's row or all spending
of a token, for others to wait for. Where the server has such a limit, as on Aurora, that stays.
"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

# As in 0004: only the database's owner may. What is set here an audit lifts for itself.
SETTING = """
DO $$
BEGIN
    IF {condition} THEN
        EXECUTE format('ALTER DATABASE %I {change}', current_database());
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'transactions may be left open: this role does not own the database';
END $$
"""
_NAME = "idle_in_transaction_session_timeout"
_IS_UNSET = f"current_setting('{_NAME}') = '0'"


def upgrade() -> None:
    op.execute(SETTING.format(condition=_IS_UNSET, change=f"SET {_NAME} = ''30s''"))


def downgrade() -> None:
    op.execute(SETTING.format(condition="true", change=f"RESET {_NAME}"))
