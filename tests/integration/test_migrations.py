"""Migrations, on databases that are not made for tests."""

import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from chalicelib import migrations
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.simulated_market.definition import load_market
from chalicelib.adapters.simulated_market.seed import seed
from chalicelib.migrations import newest_revision, upgrade
from chalicelib.migrations.roles import APP_ROLE
from chalicelib.prepare import main, prepare
from tests.support.postgres_server import sibling

_WAITS_BEYOND_LIMIT = text("""
SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND clock_timestamp() - query_start > INTERVAL '1 s'
""")

_READ_OF_THE_MARKET = text("""
EXPLAIN (FORMAT JSON)
SELECT market.height_at(market.now()),
    (SELECT jsonb_agg(to_jsonb(pool)) FROM market.changed_pools('{}', 0) AS pool)
FROM market.chain
""")


_LEFT_OPEN = "idle_in_transaction_session_timeout"


@pytest.fixture
def impatient(server_url: str) -> Iterator[Engine]:
    """An empty database that gives each statement half a second."""
    name = f"impatient_{uuid.uuid4().hex[:8]}"
    admin = make_engine(server_url)
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET statement_timeout = '500ms'"))
    engine = make_engine(sibling(server_url, name))
    yield engine
    engine.dispose()
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


def test_limit_made_for_the_functions_statements_does_not_end_a_migration(impatient: Engine) -> None:
    with impatient.begin() as setup:
        setup.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
    with ThreadPoolExecutor() as executor, impatient.connect() as watcher:
        watcher.execution_options(isolation_level="AUTOCOMMIT")
        with impatient.begin() as user:
            user.execute(text("LOCK TABLE alembic_version"))
            migrated = executor.submit(upgrade, impatient)
            while not (migrated.done() or watcher.execute(_WAITS_BEYOND_LIMIT).scalar_one()):
                time.sleep(0.02)
        revision = migrated.result()
    with impatient.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == revision
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "500ms"


_WAITS_FOR_A_TABLE = text("""
SELECT count(*) > 0 FROM pg_locks
WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = CAST(:name AS regclass)
""")


def wait_until_waits_for(engine: Engine, name: str) -> None:
    """Return when a migration waits for a table."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
        while not watcher.execute(_WAITS_FOR_A_TABLE, {"name": name}).scalar_one():
            time.sleep(0.02)


def test_migration_that_meets_functions_in_a_deadlock_is_begun_again(impatient: Engine) -> None:
    migrated_to(impatient, "0009")
    with ThreadPoolExecutor() as executor, impatient.connect() as function:
        function.execute(text("SET statement_timeout = 0"))
        # As what writes an event does, whose order is looked up after it.
        function.execute(text("LOCK TABLE order_events IN ROW EXCLUSIVE MODE"))
        migrated = executor.submit(upgrade, impatient)
        wait_until_waits_for(impatient, "order_events")
        function.execute(text("LOCK TABLE orders IN ROW SHARE MODE"))
        function.rollback()
        assert migrated.result() == newest_revision()


def test_functions_go_on_while_a_migration_waits_for_who_reads_for_long(impatient: Engine) -> None:
    migrated_to(impatient, "0009")
    with ThreadPoolExecutor() as executor, impatient.connect() as audit, impatient.connect() as function:
        audit.execute(text("SELECT count(*) FROM orders"))
        migrated = executor.submit(upgrade, impatient)
        wait_until_waits_for(impatient, "orders")
        # It would wait behind the migration, for as long as the audit takes.
        function.execute(text("SET statement_timeout = '60s'"))
        assert function.execute(text("SELECT count(*) FROM orders")).scalar_one() == 0
        function.rollback()
        audit.rollback()
        assert migrated.result() == newest_revision()
    with impatient.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"


_WAITS_FOR_WHAT_WAS_BEFORE = text("""
SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'virtualxid' AND datname = current_database()
""")


def test_functions_go_on_while_a_rule_behind_a_new_index_waits_for_who_reads_for_long(
    impatient: Engine,
) -> None:
    migrated_to(impatient, "0030")
    with (
        ThreadPoolExecutor() as executor,
        impatient.connect() as snapshot,
        impatient.connect() as audit,
        impatient.connect() as function,
    ):
        snapshot.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        snapshot.execute(text("SELECT count(*) FROM orders"))
        migrated = executor.submit(upgrade, impatient)
        with impatient.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while not watcher.execute(_WAITS_FOR_WHAT_WAS_BEFORE).scalar_one():
                time.sleep(0.02)
        audit.execute(text("SELECT count(*) FROM attempts"))
        snapshot.rollback()
        wait_until_waits_for(impatient, "attempts")
        try:
            function.execute(text("SET statement_timeout = '60s'"))
            assert function.execute(text("SELECT count(*) FROM attempts")).scalar_one() == 0
        finally:
            function.rollback()
            audit.rollback()
        assert migrated.result() == newest_revision()


_CUT = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
""")


@pytest.mark.parametrize(("revision", "held"), [("0009", "order_events"), ("0022", "attempts")])
def test_migration_that_is_cut_off_fails_and_the_next_one_goes_on(
    impatient: Engine,
    revision: str,
    held: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    migrated_to(impatient, revision)
    monkeypatch.setenv("DATABASE_URL", impatient.url.render_as_string(hide_password=False))
    with ThreadPoolExecutor() as executor, impatient.connect() as function:
        function.execute(text("SET statement_timeout = 0"))
        # The second one builds an index meanwhile, which waits for what writes there.
        function.execute(text(f"LOCK TABLE {held} IN ROW EXCLUSIVE MODE"))
        prepared = executor.submit(main)
        with impatient.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
            while not watcher.execute(_CUT).all():
                time.sleep(0.02)
        assert prepared.result() == 1
        function.rollback()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("the database was not prepared: network error, at ")
    assert main() == 0


def test_two_that_migrate_at_once_both_find_it_done(impatient: Engine) -> None:
    # From here on indexes are built while others go on, and wait for every statement of before.
    migrated_to(impatient, "0022")
    with ThreadPoolExecutor() as executor:
        found = [executor.submit(upgrade, impatient) for _ in range(2)]
        assert [each.result() for each in found] == [newest_revision()] * 2


def test_path_that_holds_a_percent_sign_is_migrated_from(
    impatient: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jenkins has a branch ``feature/limits`` in a folder ``feature%2Flimits``."""
    beside = tmp_path / "feature%2Flimits"
    beside.symlink_to(Path(migrations.__file__).parent)
    monkeypatch.setattr(migrations, "_HERE", beside)
    assert upgrade(impatient) == newest_revision()


def test_newest_revision_by_the_files_names_is_the_one_that_all_migrations_lead_to() -> None:
    assert newest_revision() == ScriptDirectory(Path(migrations.__file__).parent).get_current_head()


def test_database_that_lacks_no_migration_is_found_so_without_alembic(
    impatient: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = upgrade(impatient)
    monkeypatch.setitem(sys.modules, "alembic", None)
    assert upgrade(impatient) == revision
    with impatient.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(ImportError):
        upgrade(impatient)


def test_database_of_a_later_release_is_left_as_it_is_with_the_rights_of_its_functions(
    impatient: Engine,
) -> None:
    url = impatient.url.render_as_string(hide_password=False)
    prepare(url)
    with impatient.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("CREATE TABLE later ()"))
        connection.execute(text(f"GRANT SELECT ON later TO {APP_ROLE}"))
        connection.execute(text(f"REVOKE ALL ON orders FROM {APP_ROLE}"))
    assert prepare(url) == "9999"
    with impatient.connect() as connection:
        for table in ("later", "orders"):
            asked = text("SELECT has_table_privilege(:role, :table, 'SELECT')")
            assert connection.execute(asked, {"role": APP_ROLE, "table": table}).scalar_one()


def test_nothing_is_compiled_in_sessions_of_a_migrated_database(impatient: Engine) -> None:
    upgrade(impatient)
    impatient.dispose()
    with impatient.connect() as connection:
        assert connection.execute(text("SHOW jit")).scalar_one() == "off"


@pytest.mark.parametrize(("before", "after"), [("0", "30s"), ("15s", "15s")])
def test_session_of_a_migrated_database_is_ended_that_leaves_a_transaction_open(
    impatient: Engine, before: str, after: str
) -> None:
    with impatient.begin() as connection:
        name = connection.engine.url.database
        connection.execute(text(f"ALTER DATABASE \"{name}\" SET {_LEFT_OPEN} = '{before}'"))
    impatient.dispose()
    upgrade(impatient)
    impatient.dispose()
    with impatient.connect() as connection:
        assert connection.execute(text(f"SHOW {_LEFT_OPEN}")).scalar_one() == after


def test_market_is_read_for_less_than_what_a_server_compiles(impatient: Engine) -> None:
    upgrade(impatient)
    seed(impatient, load_market())
    with impatient.connect() as connection:
        (plan,) = connection.execute(_READ_OF_THE_MARKET).scalar_one()
        limit = float(connection.execute(text("SHOW jit_above_cost")).scalar_one())
    assert plan["Plan"]["Total Cost"] < limit / 10


def test_sessions_of_a_migrated_database_reach_rows_by_key(impatient: Engine) -> None:
    upgrade(impatient)
    impatient.dispose()
    with impatient.connect() as connection:
        assert connection.execute(text("SHOW random_page_cost")).scalar_one() == "1.1"
        assert connection.execute(text("SHOW enable_seqscan")).scalar_one() == "off"


_SOME_ATTEMPTS = """
SET LOCAL session_replication_role = replica;
INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,
    quoted_out_units, threshold_units, fence, outcome, resolved_at)
SELECT 'signature ' || n, lpad(to_hex(n / 3), 32, '0')::uuid, n % 3 + 1, '', 1, 1, 1, 1, 1, outcome,
    CASE WHEN outcome IS NOT NULL THEN now() END
FROM generate_series(0, 8) AS n,
    LATERAL (SELECT (ARRAY['dead', 'refused', CASE n WHEN 2 THEN 'landed' WHEN 5 THEN 'dead' END])[n % 3 + 1])
        AS its (outcome)
"""
_COMPUTED = """
ALTER TABLE attempts ADD COLUMN alive boolean
    GENERATED ALWAYS AS (CASE WHEN outcome IS NULL OR outcome = 'landed' THEN true END) STORED
"""
_FILE = text("SELECT pg_relation_filenode('attempts')")
_ALIVE = text("SELECT alive FROM attempts ORDER BY order_id, attempt")


def migrated_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_attempts_are_marked_where_they_are_and_a_migration_that_was_cut_short_starts_again(
    impatient: Engine,
) -> None:
    migrated_to(impatient, "0022")
    with impatient.begin() as connection:
        connection.execute(text(_SOME_ATTEMPTS))
        before = connection.execute(_FILE).scalar_one()
        # Two of an order that landed, which the old rules keep apart as little as this does.
        connection.execute(text("DROP INDEX attempts_one_landed"))
        connection.execute(text("UPDATE attempts SET outcome = 'landed' WHERE signature = 'signature 1'"))
    with pytest.raises(IntegrityError, match="attempts_one_alive"):
        migrated_to(impatient, "0031")
    with impatient.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE attempts SET outcome = 'refused' WHERE signature = 'signature 1'"))
    upgrade(impatient)
    with impatient.begin() as connection:
        assert connection.execute(_FILE).scalar_one() == before
        marks = connection.execute(_ALIVE).scalars().all()
        assert marks == [None, None, True, None, None, None, None, None, True]
        # The open one of the last order ends, and another may take its place.
        connection.execute(
            text("UPDATE attempts SET outcome = 'dead', resolved_at = now() WHERE outcome IS NULL")
        )
        assert connection.execute(_ALIVE).scalars().all()[-1] is None
    with impatient.connect() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        with pytest.raises(DBAPIError, match="attempts_alive_check"):
            connection.execute(text("UPDATE attempts SET alive = true WHERE outcome = 'dead'"))


def test_column_that_the_database_computed_is_kept_by_the_trigger_instead(impatient: Engine) -> None:
    migrated_to(impatient, "0032")
    with impatient.begin() as connection:
        for statement in (
            "DROP TRIGGER attempts_end ON attempts",
            "DROP FUNCTION note_end_of_attempt",
            "ALTER TABLE attempts DROP COLUMN alive",
            _COMPUTED,
            "CREATE UNIQUE INDEX attempts_one_alive ON attempts (order_id) WHERE alive",
            _SOME_ATTEMPTS,
        ):
            connection.execute(text(statement))
        before = connection.execute(_FILE).scalar_one()
    upgrade(impatient)
    with impatient.begin() as connection:
        assert connection.execute(_FILE).scalar_one() == before
        connection.execute(
            text("UPDATE attempts SET outcome = 'refused', resolved_at = now() WHERE outcome IS NULL")
        )
        marks = connection.execute(_ALIVE).scalars().all()
    assert marks == [None, None, True, *[None] * 6]
