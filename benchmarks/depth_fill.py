"""A deep record, written in bulk: copies of orders that the engine has executed, under ids of their own.

Everything in one transaction that begins with emptying the tables and dropping their indexes: rows are
appended, each index is built once, and a server with ``wal_level=minimal`` writes no log of it. An order's
rows lie beside each other, as if it had been executed, and its events carry their hashes: a copy is archived
as any other order is.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.rows import written_event
from chalicelib.wire.json_text import canonical

TEMPLATES: Final = 60
"""Executed orders that are copied in turn: each kind of the load ten times."""
TIME_LIMIT_S: Final = 7_200
"""For a statement that fills, reads or vacuums a database."""
_SHOWN_S: Final = 1.0
_STEADY: Final = "SET LOCAL session_replication_role = replica"
"""No triggers, and no reference is looked up: they hold by construction."""
_MEMORY: Final = "SET LOCAL maintenance_work_mem = '512MB'"

# Every second order has a client order id, and with it a name that says nothing of its time; every second one
# of each kind is of the load's own account, the others are of a thousand more. One second lies between two,
# and all have ended long ago, so that archiving has something to do.
_ID: Final = """
CASE n % 2 WHEN 0 THEN md5('order ' || n)
    ELSE lpad(to_hex(1600000000000 + n * 1000::bigint), 12, '0') || '7' || substr(md5('order ' || n), 14)
END::uuid
"""
_ACCOUNT: Final = "CASE n / 2 % 2 WHEN 0 THEN 'local' ELSE 'account ' || n % 1000 END"
_KEY: Final = "CASE n % 2 WHEN 0 THEN 'client order ' || n END"
_SIGNATURE: Final = "repeat(md5('signature ' || n), 2) || substr(md5('signature ' || n), 1, 24)"
_MOMENT: Final = "now() - interval '40 days' - make_interval(secs => :orders - n)"

# What an event's hash is taken of, beside its predecessor's: as ``event_chain`` has it.
_SAID: Final = """
id || '|' || e.seq || '|' || e.status || '|' || e.attempt || '|'
    || to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') || '|' || e.said
"""
_CHAINED: Final = (
    """
    CREATE FUNCTION pg_temp.linked(before bytea, said text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
    RETURN sha256(before || convert_to(said, 'UTF8'))
    """,
    "CREATE AGGREGATE pg_temp.chained(text) (sfunc = pg_temp.linked, stype = bytea, initcond = '')",
)
_EVENTS: Final = text("SELECT place, to_jsonb(e) - 'place' FROM template_order_events e")
_TEXTS: Final = text("UPDATE template_order_events SET said = :said WHERE place = :place AND seq = :seq")

# Computed once for each order, however many rows it has: OFFSET keeps the planner from moving it.
_NUMBERED: Final = f"""
SELECT n, {_ID} AS id, {_SIGNATURE} AS its_signature, {_MOMENT} AS moment
FROM generate_series(1, CAST(:orders AS int)) AS n OFFSET 0
"""  # noqa: S608  # constants of this module
_COPIED: Final[Mapping[str, Mapping[str, str]]] = {
    "orders": {
        "order_id": "id",
        "account_id": _ACCOUNT,
        "client_order_id": _KEY,
        "accepted_at": "moment",
        "valid_until": "moment + interval '1 minute'",
        "lease_until": "moment",
        "recorded_at": "moment",
        "updated_at": "moment",
        "tx_signature": "its_signature",
        "chain": "(SELECT pg_temp.chained({said} ORDER BY e.seq) FROM template_order_events e"
        " WHERE e.place = t.place)",
    },
    "order_events": {
        "order_id": "id",
        "occurred_at": "moment",
        "recorded_at": "moment",
        # Those that a later one covers have none, as those that were written.
        "chain": "CASE WHEN length(t.chain) = 0 THEN t.chain ELSE t.hash END",
    },
    "attempts": {
        "order_id": "id",
        "signature": "its_signature",
        "signed_at": "moment",
        "resolved_at": "moment",
    },
    "market.transactions": {
        "order_id": "id",
        "signature": "its_signature",
        "landed_at": "moment",
        "ordinal": "n",
    },
}
_KEYS: Final = f"""
INSERT INTO client_order_keys (account_id, client_order_id, content_sha256, reserved_at)
SELECT {_ACCOUNT}, {_KEY}, content_sha256, moment
FROM ({_NUMBERED}) AS numbered JOIN template_orders t ON t.place = n % :templates
WHERE n % 2 = 0
"""  # noqa: S608  # constants of this module

_NEXT_ORDINAL: Final = "SELECT setval(pg_get_serial_sequence('market.transactions', 'ordinal'), :orders)"

# A relation is in files of a GB, whose names end in a number but for the first.
_READ_INDEXES: Final = """
SELECT sum(length(pg_read_binary_file(
    pg_relation_filepath(indexrelid)
        || CASE WHEN place >= part.file THEN '.' || place / part.file ELSE '' END,
    place % part.file, part.size, true)))
FROM (SELECT CAST(:file AS bigint) AS file, CAST(:part AS bigint) AS size) AS part, pg_stat_user_indexes,
    generate_series(0, pg_relation_size(indexrelid) - 1, part.size) AS place
"""

_TEMPLATE_IDS: Final = """
CREATE TEMP TABLE template_places ON COMMIT DROP AS
SELECT order_id, row_number() OVER (ORDER BY accepted_at, order_id) - 1 AS place
FROM orders WHERE status = 'confirmed' ORDER BY accepted_at, order_id LIMIT :templates
"""
_COLUMNS: Final = text("""
SELECT attname FROM pg_attribute
WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
""")
# What refers to a key has to go before it, and to come back after it.
_CONSTRAINTS: Final = text("""
SELECT conrelid::regclass::text AS of, conname AS name, contype = 'f' AS refers,
    pg_get_constraintdef(oid) || CASE WHEN contype IN ('f', 'c') AND convalidated THEN ' NOT VALID'
        ELSE '' END AS definition
FROM pg_constraint
WHERE contype IN ('p', 'u', 'f', 'c')
    AND (conrelid::regclass::text = ANY(:names) OR confrelid::regclass::text = ANY(:names))
ORDER BY contype <> 'f', conrelid, conname
""")
_INDEXES: Final = text("""
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index i
WHERE indrelid::regclass::text = ANY(:names)
    AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
ORDER BY indexrelid
""")


def fill(engine: Engine, orders: int) -> None:
    """Write so many finished orders, in place of those there are, of which ``TEMPLATES`` must be confirmed.

    Leaves the tables as autovacuum would.

    Args:
        engine: With no time limit to speak of: a statement takes minutes.
    """
    tables = [*_COPIED, "client_order_keys"]
    with engine.begin() as connection:
        for statement in (_STEADY, _MEMORY):
            connection.execute(text(statement))
        _keep_templates(connection)
        restored = _without_indexes(connection, tables)
        connection.execute(text(f"TRUNCATE {', '.join(tables)}"))
        parameters = {"orders": orders, "templates": TEMPLATES}
        for name, other in _COPIED.items():
            _timed(f"{name}: rows", connection, _insertion(connection, name, other), parameters)
        _timed("client_order_keys: rows", connection, _KEYS, parameters)
        connection.execute(text(_NEXT_ORDINAL), {"orders": orders})
        for what, statement in restored:
            _timed(what, connection, statement, {})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _timed("vacuum", connection, "VACUUM ANALYZE", {})


def read_indexes(engine: Engine) -> None:
    """Have the machine read all indexes once, as far as they fit into its memory: an engine that has written
    so many orders has just used them.
    """
    engine = make_engine(engine.url.render_as_string(hide_password=False), time_limit_s=TIME_LIMIT_S)
    with engine.connect() as connection:
        _timed("indexes: read", connection, _READ_INDEXES, {"part": 2**23, "file": 2**30})
    engine.dispose()


def _keep_templates(connection: Connection) -> None:
    connection.execute(text(_TEMPLATE_IDS), {"templates": TEMPLATES})
    for name in _COPIED:
        rows = f"SELECT place, t.* FROM {name} t JOIN template_places USING (order_id)"  # noqa: S608
        found = connection.execute(
            text(f"CREATE TEMP TABLE template_{_short(name)} ON COMMIT DROP AS {rows}")
        )
        assert found.rowcount >= TEMPLATES, f"{found.rowcount} templates in {name}"
        connection.execute(text(f"CREATE INDEX ON template_{_short(name)} (place)"))
    for statement in (*_CHAINED, "ALTER TABLE template_order_events ADD COLUMN said text"):
        connection.execute(text(statement))
    for place, event in connection.execute(_EVENTS).all():
        said = canonical(written_event(event)["data"])
        connection.execute(_TEXTS, {"said": said, "place": place, "seq": event["seq"]})
    for name in _COPIED:
        connection.execute(text(f"ANALYZE template_{_short(name)}"))


def _without_indexes(connection: Connection, tables: Sequence[str]) -> list[tuple[str, str]]:
    """Drop the tables' indexes, keys and references; return the statements that bring them back."""
    constraints = connection.execute(_CONSTRAINTS, {"names": tables}).all()
    indexes = connection.execute(_INDEXES, {"names": tables}).all()
    for row in constraints:
        connection.execute(text(f'ALTER TABLE {row.of} DROP CONSTRAINT "{row.name}"'))
    for row in indexes:
        connection.execute(text(f"DROP INDEX {row.name}"))
    keys, references = ([row for row in constraints if row.refers is refers] for refers in (False, True))
    return [
        *((row.name, f'ALTER TABLE {row.of} ADD CONSTRAINT "{row.name}" {row.definition}') for row in keys),
        *((row.name, row.definition) for row in indexes),
        *(
            (row.name, f'ALTER TABLE {row.of} ADD CONSTRAINT "{row.name}" {row.definition}')
            for row in references
        ),
    ]


def _insertion(connection: Connection, name: str, other: Mapping[str, str]) -> str:
    columns = connection.execute(_COLUMNS, {"name": name}).scalars().all()
    values = ", ".join(other.get(column, f"t.{column}") for column in columns).format(said=_SAID)
    hashed = f", pg_temp.chained({_SAID}) OVER (ORDER BY e.seq) AS hash" if name == "order_events" else ""
    # Order by order: a join would scatter an order's rows over the table.
    return f"""
        INSERT INTO {name} ({", ".join(columns)}) OVERRIDING SYSTEM VALUE SELECT {values}
        FROM ({_NUMBERED}) AS numbered CROSS JOIN LATERAL (
            SELECT e.*{hashed} FROM template_{_short(name)} e WHERE e.place = n % :templates OFFSET 0
        ) AS t
    """  # noqa: S608  # names of the catalogue


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _timed(what: str, connection: Connection, statement: str, parameters: Mapping[str, int]) -> None:
    started = time.perf_counter()
    connection.execute(text(statement), parameters)
    taken_s = time.perf_counter() - started
    if taken_s >= _SHOWN_S:
        print(f"{what:>48}{taken_s:>8.1f} s", flush=True)
