"""Orders that rest: what they wait for, and the statuses that they have meanwhile.

Revision: 0010. Code from before it reads the orders that it knows, and writes none that wait. The index of
unfinished orders leaves out those that rest, of which an account may have thousands: they have one of their
own.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FINAL = "('confirmed', 'failed', 'canceled', 'expired')"
IDLE = "('open', 'confirmed', 'failed', 'canceled', 'expired')"
BEFORE = (
    "('pending', 'open', 'routing', 'routed', 'building', 'submitted', "
    "'confirmed', 'failed', 'canceled', 'expired')"
)
STATUSES = BEFORE.replace("'open',", "'open', 'triggered',")

# No row that there is breaks a rule that only grows: they are not read again.
UPGRADE = f"""
ALTER TABLE orders
    ADD COLUMN limit_terms   jsonb CHECK (jsonb_typeof(limit_terms) = 'object'),
    ADD COLUMN trigger_terms jsonb CHECK (jsonb_typeof(trigger_terms) = 'object'),
    ADD COLUMN sniper_terms  jsonb CHECK (jsonb_typeof(sniper_terms) = 'object'),
    ADD COLUMN time_in_force text NOT NULL DEFAULT 'ioc' CHECK (time_in_force IN ('ioc', 'gtc', 'gtd')),
    ADD COLUMN expires_at    timestamptz,
    ADD COLUMN is_triggered  boolean NOT NULL DEFAULT false,
    ADD COLUMN refused_at_bound integer NOT NULL DEFAULT 0 CHECK (refused_at_bound >= 0),
    ALTER COLUMN valid_until DROP NOT NULL,
    ALTER COLUMN slippage_bps DROP NOT NULL,
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check CHECK (status IN {STATUSES}) NOT VALID,
    ADD CONSTRAINT orders_bound_check CHECK ((slippage_bps IS NULL) = (limit_terms IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT orders_limit_check CHECK ((order_type = 'limit') <= (limit_terms IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT orders_sniper_check CHECK ((order_type = 'sniper') = (sniper_terms IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT orders_end_check CHECK ((valid_until IS NULL) = (time_in_force = 'gtc')) NOT VALID,
    ADD CONSTRAINT orders_rest_check CHECK (
        status NOT IN ('open', 'triggered')
        OR num_nonnulls(limit_terms, trigger_terms, sniper_terms) > 0) NOT VALID;
ALTER TABLE order_events
    DROP CONSTRAINT order_events_status_check,
    ADD CONSTRAINT order_events_status_check CHECK (status IN {STATUSES}) NOT VALID;
COMMENT ON COLUMN orders.refused_at_bound IS
    'How many transactions the chain refused at the limit: no attempt is used up';
-- Only what rests is amended, by an event of its own. After the change, as in 0008.
CREATE TRIGGER terms_stay AFTER UPDATE ON orders
    FOR EACH ROW WHEN (
        (OLD.amount_units, OLD.limit_terms, OLD.trigger_terms,
         OLD.time_in_force, OLD.expires_at, OLD.valid_until)
            IS DISTINCT FROM
        (NEW.amount_units, NEW.limit_terms, NEW.trigger_terms,
         NEW.time_in_force, NEW.expires_at, NEW.valid_until)
        AND (OLD.status <> 'open' OR NEW.status <> 'open' OR NEW.seq <> OLD.seq + 1))
    EXECUTE FUNCTION public.refuse_change('the terms of an order stay while it does not rest');
DROP INDEX orders_unfinished;
CREATE INDEX orders_unfinished ON orders (account_id, accepted_at) WHERE status NOT IN {IDLE};
CREATE INDEX orders_resting ON orders (account_id, accepted_at) WHERE status = 'open';
"""

DOWNGRADE = f"""
DROP TRIGGER terms_stay ON orders;
DROP INDEX orders_resting, orders_unfinished;
CREATE INDEX orders_unfinished ON orders (account_id, accepted_at) WHERE status NOT IN {FINAL};
ALTER TABLE order_events
    DROP CONSTRAINT order_events_status_check,
    ADD CONSTRAINT order_events_status_check CHECK (status IN {BEFORE});
ALTER TABLE orders
    DROP CONSTRAINT orders_rest_check, DROP CONSTRAINT orders_end_check, DROP CONSTRAINT orders_sniper_check,
    DROP CONSTRAINT orders_limit_check, DROP CONSTRAINT orders_bound_check,
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check CHECK (status IN {BEFORE}),
    ALTER COLUMN valid_until SET NOT NULL, ALTER COLUMN slippage_bps SET NOT NULL,
    DROP COLUMN refused_at_bound, DROP COLUMN is_triggered, DROP COLUMN expires_at, DROP COLUMN time_in_force,
    DROP COLUMN sniper_terms, DROP COLUMN trigger_terms, DROP COLUMN limit_terms;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
