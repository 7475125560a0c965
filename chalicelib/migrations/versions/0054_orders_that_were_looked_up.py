"""An order says on which server it was looked up last; until it was, its owner neither cancels nor amends it.

Revision: 0054. After a failover an order that rests, or is under way, may have executed by commits that the
new server lacks. A consumer looks it up on the chain before it goes on. Its owner's cancel did not: it ended
the order as canceled, and told so, although it had executed. ADR 16 has the rest.
"""

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

# Of failovers that were noticed before, no order says whether it was looked up: they hold up no cancel.
UPGRADE = """
ALTER TABLE orders ADD COLUMN known_on text;
COMMENT ON COLUMN orders.known_on IS
    'public.noted() of the server on which a consumer looked the order up last, or decided on it';

ALTER TABLE servers ADD COLUMN notes_orders boolean NOT NULL DEFAULT false;
ALTER TABLE servers ALTER COLUMN notes_orders SET DEFAULT true;
COMMENT ON COLUMN servers.notes_orders IS 'Orders that were looked up since it was noted say so';

CREATE FUNCTION public.doubt() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    newest public.servers;
BEGIN
    SELECT * INTO newest FROM public.servers ORDER BY server_id DESC LIMIT 1;
    IF newest.name IS DISTINCT FROM public.server() THEN
        RETURN 'a server that is not noted yet';
    END IF;
    IF EXISTS (SELECT FROM public.servers WHERE lacks_since IS NOT NULL AND notes_orders
               AND (woken_at IS NULL OR woken_at > statement_timestamp() - interval '1 day')) THEN
        RETURN public.noted(newest.server_id, newest.seen_at);
    END IF;
    RETURN '';
END $$;
COMMENT ON FUNCTION public.doubt() IS
    'What orders.known_on says of an order that was looked up here; empty while the record lacks nothing';

CREATE FUNCTION public.is_known(known_on text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF public.doubt() IN ('', coalesce(known_on, '')) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'whether the order has executed is not known' USING ERRCODE = '57OF2';
END $$;
"""

DOWNGRADE = """
DROP FUNCTION public.is_known(text), public.doubt();
ALTER TABLE servers DROP COLUMN notes_orders;
ALTER TABLE orders DROP COLUMN known_on;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
