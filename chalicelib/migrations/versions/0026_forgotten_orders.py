"""What was archived long ago leaves the record altogether: an order's row, and its client order id.

Revision: 0026. The orders of one archive at a time, all or none of them, by the owner's function alone. The
archive itself stays, and its row says since when the record knows nothing of its orders.
"""

from alembic import op

from chalicelib.migrations.online import while_functions_go_on

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# An order has its entry from being archived until it is forgotten.
INDEX = (
    "DROP INDEX CONCURRENTLY IF EXISTS orders_by_archive",
    "CREATE INDEX CONCURRENTLY orders_by_archive ON orders (archive_id) WHERE archive_id IS NOT NULL",
)
UPGRADE = """
ALTER TABLE archives ADD COLUMN forgotten_at timestamptz;
COMMENT ON COLUMN archives.forgotten_at IS 'Since when the record has no row of its orders any more';
CREATE INDEX archives_to_forget ON archives (day, archive_id) WHERE forgotten_at IS NULL;

-- Returns how many orders were forgotten, NULL if none is left. A queue keeps a message for 14 days at most,
-- so none of them can come back as a new order.
CREATE FUNCTION public.forget_orders(kept_days integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET orderflow.archiving = 'on' AS $$
DECLARE
    its bigint;
    done integer;
BEGIN
    IF kept_days IS NULL OR kept_days < 60 THEN
        RAISE EXCEPTION 'orders are kept for 60 days at least, not %', kept_days;
    END IF;
    -- An archive's day is the caller's word, the orders' own ends are not.
    SELECT archive_id INTO its FROM public.archives a
    WHERE forgotten_at IS NULL AND NOT EXISTS (
            SELECT FROM public.orders o WHERE o.archive_id = a.archive_id
                AND o.ended_at >= clock_timestamp() - make_interval(days => kept_days))
        AND day < (clock_timestamp() AT TIME ZONE 'UTC')::date - kept_days
    ORDER BY day, archive_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF its IS NULL THEN
        RETURN NULL;
    END IF;
    DELETE FROM public.client_order_keys k USING public.orders o
    WHERE o.archive_id = its AND k.account_id = o.account_id AND k.client_order_id = o.client_order_id;
    DELETE FROM public.spending s USING public.orders o
    WHERE o.archive_id = its AND s.order_id = o.order_id;
    DELETE FROM public.orders WHERE archive_id = its;
    GET DIAGNOSTICS done = ROW_COUNT;
    UPDATE public.archives SET forgotten_at = clock_timestamp() WHERE archive_id = its;
    RETURN done;
END $$;
REVOKE EXECUTE ON FUNCTION public.forget_orders FROM PUBLIC;

-- Whether the order of a transaction that landed then may have been forgotten: it ended after it.
CREATE FUNCTION market.is_forgotten(landed_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(landed_at < (SELECT max(day) + 1 FROM public.archives WHERE forgotten_at IS NOT NULL)
        ::timestamp AT TIME ZONE 'UTC', false)
$$;
"""


def upgrade() -> None:
    with while_functions_go_on():
        for statement in INDEX:
            op.execute(statement)
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("""
        DROP FUNCTION public.forget_orders, market.is_forgotten;
        DROP INDEX orders_by_archive;
        ALTER TABLE archives DROP COLUMN forgotten_at;
    """)
