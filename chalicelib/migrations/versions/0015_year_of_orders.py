"""A year of orders: which of them the sweep has resumed, and which of them an archive holds.

Revision: 0015. Code from before it resumes the same orders each minute until a consumer has claimed them, and
knows no order that is archived: it answers for one as for none.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"

HOUSEKEEPING = """
ALTER TABLE orders ADD COLUMN resumed_at timestamptz;
-- Hardly ever an entry: a subscription that is created with its order is live.
CREATE INDEX subscriptions_behind ON subscriptions (account_id, updated_at) WHERE NOT live;
"""

ARCHIVES = f"""
CREATE TABLE archives (
    archive_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place       text NOT NULL UNIQUE,
    day         date NOT NULL,
    sha256      bytea NOT NULL CHECK (length(sha256) = 32),
    orders      integer NOT NULL CHECK (orders > 0),
    events      integer NOT NULL CHECK (events >= orders),
    attempts    integer NOT NULL CHECK (attempts >= 0),
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN archives.day IS 'On which the orders ended, in UTC';
ALTER TABLE orders ADD COLUMN archive_id bigint REFERENCES archives;
COMMENT ON COLUMN orders.archive_id IS 'Where its events and attempts are, if not here';
-- An order has its entry from its end until it is archived.
CREATE INDEX orders_to_archive ON orders (updated_at, order_id)
    WHERE status IN {FINAL} AND archive_id IS NULL;

-- The owner himself, within the function below. The functions' login cannot become him, whatever it sets.
CREATE FUNCTION public.is_archiving() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('orderflow.archiving', true), '') = 'on'
        AND current_user = (SELECT tableowner FROM pg_catalog.pg_tables
                            WHERE schemaname = 'public' AND tablename = 'order_events')
$$;

CREATE FUNCTION public.archive_orders(
    its_place text, its_sha256 bytea, its_day date, ids uuid[], seqs integer[],
    its_events integer, its_attempts integer
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET orderflow.archiving = 'on' AS $$
DECLARE
    made bigint;
    done integer;
BEGIN
    PERFORM FROM public.orders WHERE order_id = ANY(ids) ORDER BY order_id FOR UPDATE;
    SELECT count(*) INTO done
    FROM unnest(ids, seqs) AS read (order_id, seq) JOIN public.orders o USING (order_id, seq)
    WHERE o.status IN {FINAL} AND o.archive_id IS NULL AND o.updated_at < clock_timestamp() - interval '1 day'
        AND NOT EXISTS (SELECT FROM public.subscriptions s WHERE s.order_id = o.order_id);
    IF done <> cardinality(ids) THEN
        RETURN false;
    END IF;
    INSERT INTO public.archives (place, day, sha256, orders, events, attempts)
    VALUES (its_place, its_day, its_sha256, done, its_events, its_attempts) RETURNING archive_id INTO made;
    UPDATE public.orders SET archive_id = made WHERE order_id = ANY(ids);
    DELETE FROM public.attempts WHERE order_id = ANY(ids);
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> its_attempts THEN
        RAISE EXCEPTION 'the archive holds % attempts, the record %', its_attempts, done;
    END IF;
    DELETE FROM public.order_events WHERE order_id = ANY(ids);
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> its_events THEN
        RAISE EXCEPTION 'the archive holds % events, the record %', its_events, done;
    END IF;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION public.archive_orders FROM PUBLIC;
"""  # noqa: S608  # constants of this module

EVENTS_STAY = """
DROP TRIGGER events_stay ON order_events;
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT {unless} EXECUTE FUNCTION public.refuse_change('the audit trail is only appended to');
"""
ROWS_STAY = f"""
DROP TRIGGER final_orders_stay ON orders;
CREATE TRIGGER final_orders_stay AFTER UPDATE OR DELETE ON orders
    FOR EACH ROW WHEN (OLD.status IN {FINAL}{{unless}})
    EXECUTE FUNCTION public.refuse_change('the order is final');
DROP TRIGGER outcomes_stay ON attempts;
CREATE TRIGGER outcomes_stay AFTER UPDATE OR DELETE ON attempts
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL{{unless}})
    EXECUTE FUNCTION public.refuse_change('the attempt has its outcome');
"""


def upgrade() -> None:
    op.execute(HOUSEKEEPING)
    op.execute(ARCHIVES)
    op.execute(EVENTS_STAY.format(unless="WHEN (NOT public.is_archiving())"))
    op.execute(ROWS_STAY.format(unless=" AND NOT public.is_archiving()"))


def downgrade() -> None:
    op.execute(EVENTS_STAY.format(unless=""))
    op.execute(ROWS_STAY.format(unless=""))
    op.execute("""
        DROP FUNCTION public.archive_orders, public.is_archiving;
        DROP INDEX orders_to_archive, subscriptions_behind;
        ALTER TABLE orders DROP COLUMN archive_id, DROP COLUMN resumed_at;
        DROP TABLE archives;
    """)
