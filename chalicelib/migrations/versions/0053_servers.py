"""The record knows on which server it is written, and so notices when it has come to another one.

Revision: 0053. A standby that lagged, once it is promoted, lacks the last commits, and a chain goes on; so
does a dump that was restored. What tells is the server's timeline, which a promotion raises, the number that
``initdb`` gave it, and the table's own number there, which it gets anew from a dump. ADR 16 has the rest.
"""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

# ``pg_control_checkpoint`` tells of a new timeline with the first checkpoint on it only, seconds after what
# is written there. On Aurora these functions raise errors, unless ``wal_level`` is ``logical``: it loses no
# commits, and is one server for ever, without a name.
UPGRADE = """
CREATE TABLE servers (
    server_id bigint PRIMARY KEY CHECK (server_id > 0),
    name text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    alive_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lacks_since timestamptz,
    settles_after bigint CHECK (settles_after >= 0),
    settled_at timestamptz,
    woken_to uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    woken_at timestamptz
);
COMMENT ON TABLE servers IS
    'Where the record was when it was migrated, and where consumers on a real chain have found it since';
COMMENT ON COLUMN servers.name IS 'What public.server() said there';
COMMENT ON COLUMN servers.alive_at IS
    'When the record was on it, as noted each minute: of what is missing later, everything is younger';
COMMENT ON COLUMN servers.lacks_since IS
    'Commits of the server before that are later than this may be missing; null of the first one';
COMMENT ON COLUMN servers.settles_after IS
    'Past this height of the chain nothing that was signed on the server before can land any more';
COMMENT ON COLUMN servers.woken_to IS
    'Of the orders that rested, those up to this one were woken to be looked up, and all of them at woken_at';

CREATE FUNCTION public.server() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    told text;
BEGIN
    BEGIN
        told := (SELECT system_identifier FROM pg_catalog.pg_control_system()) || '/'
            || left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8);
    EXCEPTION WHEN OTHERS THEN
        -- What is out of memory or of files, or cannot read one, is no other server for that moment.
        IF left(SQLSTATE, 2) IN ('53', '57', '58') THEN
            RAISE;
        END IF;
        told := 'unknown';
    END;
    RETURN told || '/' || CAST(CAST('public.servers' AS regclass) AS oid);
END $$;

-- What tells a row from that of another standby of the same primary, whose timeline has the same number.
CREATE FUNCTION public.noted(server_id bigint, seen_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT server_id || '/' || extract(epoch FROM seen_at)
$$;

CREATE FUNCTION public.is_on_server(believed text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    newest public.servers;
BEGIN
    SELECT * INTO newest FROM public.servers ORDER BY server_id DESC LIMIT 1;
    IF public.noted(newest.server_id, newest.seen_at) IS DISTINCT FROM believed
            OR newest.name IS DISTINCT FROM public.server() THEN
        RAISE EXCEPTION 'the record is on another server than was believed' USING ERRCODE = '57OF1';
    END IF;
    RETURN true;
END $$;

-- A standby that is promoted before a consumer has run must have it, too.
INSERT INTO servers (server_id, name) VALUES (1, public.server());
"""

DOWNGRADE = """
DROP FUNCTION public.is_on_server(text), public.noted(bigint, timestamptz), public.server();
DROP TABLE servers;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
