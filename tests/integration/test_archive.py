"""Archiving on a real record: all of an order is in one of two places, whatever happens in between."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click import ClickException
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.postgres.archive import EVENT_COLUMNS, PostgresFinishedOrders
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.archiving import archiver
from chalicelib.bootstrap.audit import audit
from chalicelib.domain.errors import ArchivedError, RetryableError
from chalicelib.migrations.roles import grant
from chalicelib.wire.archived_orders import order_of
from chalicelib.wire.event_views import EventViews
from chalicelib.wire.order_views import order_view
from chalicelib.wire.rest_answers import OrderBody
from chalicelib.wire.server_frames import json_text
from infra.cli.archives import archived
from infra.cli.orderflow import orderflow
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order
from tests.integration.archives import DAYS, EVENTS, archiving, ended, on_record
from tests.support.app_login import as_function


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


def command(engine: Engine, folder: Path, *arguments: str) -> Result:
    url = engine.url.render_as_string(hide_password=False)
    return CliRunner().invoke(
        orderflow,
        ["--database-url", url, "--json", *arguments, "--archives", str(folder)],
        catch_exceptions=False,
    )


def test_old_order_is_moved_and_a_recent_an_open_and_a_followed_one_stay(
    engine: Engine, tmp_path: Path
) -> None:
    ended(engine, 3)
    ended(engine, 1, days_ago=DAYS - 1)
    on_postgres(engine).created(an_order())
    (followed,) = ended(engine)
    on_postgres(engine).subscriptions.begin_replay("c=", "alice", followed, replay_id=uuid4(), after_seq=0)
    assert archiving(engine, tmp_path).waiting() == 3
    assert archiving(engine, tmp_path).run().orders == 3
    # Two that ended keep six events each, and the open one two.
    assert on_record(engine) == (6, 14, 2, 1)
    assert archiving(engine, tmp_path).run().orders == 0


def test_order_whose_last_events_may_not_be_published_stays_until_they_are(
    engine: Engine, tmp_path: Path
) -> None:
    unpublished, _ = ended(engine, 2)
    with engine.begin() as connection:
        note = text("INSERT INTO unpublished (order_id, account_id) VALUES (:order_id, 'alice')")
        connection.execute(note, {"order_id": unpublished})
    assert archiving(engine, tmp_path).run().orders == 1
    with engine.begin() as connection:
        left = connection.execute(text("SELECT DISTINCT order_id FROM order_events")).scalars().all()
        assert left == [unpublished]
        connection.execute(text("DELETE FROM unpublished"))
    assert archiving(engine, tmp_path).run().orders == 1


def test_parts_are_of_so_many_orders_at_most_and_come_as_they_ended(engine: Engine) -> None:
    by_day = [ended(engine, 3, days_ago=days_ago) for days_ago in (40, 42, 41)]
    finished, after, parts = PostgresFinishedOrders(engine), None, []
    while lines := finished.next(datetime.now(UTC), after=after, limit=2, events_max=1_000):
        part = [order_of(line) for line in lines]
        parts.append([UUID(order.order_id) for order in part])
        after = part[-1]
    assert [len(part) for part in parts] == [2, 1, 2, 1, 2, 1]
    found = [order_id for part in parts for order_id in part]
    assert [{*found[:3]}, {*found[3:6]}, {*found[6:]}] == [{*by_day[1]}, {*by_day[2]}, {*by_day[0]}]


def test_archives_are_by_day(engine: Engine, tmp_path: Path) -> None:
    for days_ago in (40, 41, 41):
        ended(engine, days_ago=days_ago)
    assert archiving(engine, tmp_path).run().orders == 3
    assert len(list((tmp_path / "orders").iterdir())) == 2


def test_archive_has_every_column_of_an_event(engine: Engine) -> None:
    statement = "SELECT column_name FROM information_schema.columns WHERE table_name = 'order_events'"
    with engine.connect() as connection:
        columns = set(connection.execute(text(statement)).scalars())
    fields_and_order = {"data", "packed", "order_id"}
    assert columns - fields_and_order == {name.strip()[2:] for name in EVENT_COLUMNS.split(",")}


def test_orders_with_many_events_make_a_part_of_fewer(engine: Engine) -> None:
    ended(engine, 3)
    finished = PostgresFinishedOrders(engine)
    first = finished.next(datetime.now(UTC), after=None, limit=10, events_max=EVENTS + 1)
    assert len(first) == 2
    assert len(finished.next(datetime.now(UTC), after=None, limit=10, events_max=EVENTS)) == 1
    after = order_of(first[-1])
    assert len(finished.next(datetime.now(UTC), after=after, limit=10, events_max=1)) == 1


def test_archived_order_is_shown_as_it_was(engine: Engine, tmp_path: Path) -> None:
    (order_id,) = ended(engine)
    before = json.loads(command(engine, tmp_path, "order", str(order_id)).output)
    assert json.loads(command(engine, tmp_path, "archive").output) == {
        "archived": 1,
        "refused": 0,
        "forgotten": 0,
        "folded": 0,
    }
    after = json.loads(command(engine, tmp_path, "order", str(order_id)).output)
    assert [event["seq"] for event in after["events"]] == [1, 2, 3, 4, 5, 6]
    for name in ("events", "attempts"):
        assert after[name] == [{key: row[key] for key in row if key != "order_id"} for row in before[name]]


def test_archived_order_is_said_to_be_one_to_its_owner_alone(engine: Engine, tmp_path: Path) -> None:
    (order_id,) = ended(engine)
    archiving(engine, tmp_path).run()
    queries = on_postgres(engine).queries
    with pytest.raises(ArchivedError):
        queries.find("alice", order_id)
    assert queries.find("mallory", order_id) is None
    (view,) = queries.page("alice", status=None, limit=10, before=None)
    assert view.state.order.order_id == order_id
    assert view.last_event.at == view.updated_at
    tokens = load_tokens()
    last_event = EventViews(tokens).fields(view.last_event)
    shown = order_view(view.state, last_event, view.updated_at, tokens)
    assert OrderBody.model_validate_json(json_text(shown)).archived is True


def test_late_retry_of_an_archived_order_finds_it_ended_and_is_not_executed(
    engine: Engine, tmp_path: Path
) -> None:
    (order_id,) = ended(engine)
    archiving(engine, tmp_path).run()
    claims = on_postgres(engine).record.claim([order_id], lease_ms=1_000)
    assert set(claims.final) == {order_id}
    assert not claims.claimed


def test_kill_before_the_record_has_noted_the_archive_costs_nothing(engine: Engine, tmp_path: Path) -> None:
    ended(engine, 2)
    before = on_record(engine)

    class Killed(BaseException):
        pass

    class Dies(FolderArchiveStore):
        def get(self, place: str) -> bytes | None:
            raise Killed(place)

    with pytest.raises(Killed):
        archiver(engine, Dies(tmp_path), retention_days=DAYS).run()
    assert on_record(engine) == before
    assert archiving(engine, tmp_path).run().orders == 2
    # The same orders make the same file: nothing is there twice.
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("keeps", [lambda content: content[:-9], lambda _: None])
def test_store_that_keeps_something_else_or_nothing_drops_nothing(
    engine: Engine, tmp_path: Path, keeps: Callable[[bytes], bytes | None]
) -> None:
    ended(engine, 2)
    before = on_record(engine)

    class Forgetful(FolderArchiveStore):
        def put(self, place: str, content: bytes) -> None:
            if (kept := keeps(content)) is not None:
                super().put(place, kept)

    with pytest.raises(RetryableError, match="nothing was dropped"):
        archiver(engine, Forgetful(tmp_path), retention_days=DAYS).run()
    assert on_record(engine) == before


def test_store_that_is_full_after_a_part_drops_no_more_and_the_next_run_goes_on(
    engine: Engine, tmp_path: Path
) -> None:
    ended(engine, 2, days_ago=41)
    ended(engine, 1)

    class Full(FolderArchiveStore):
        def put(self, place: str, content: bytes) -> None:
            if (tmp_path / "orders").exists():
                raise RetryableError("No space left on device")
            super().put(place, content)

    with pytest.raises(RetryableError, match="No space left"):
        archiver(engine, Full(tmp_path), retention_days=DAYS).run()
    assert on_record(engine) == (3, EVENTS, 1, 1)
    assert archiving(engine, tmp_path).run().orders == 1
    assert on_record(engine) == (3, 0, 0, 2)


def test_run_that_is_out_of_time_leaves_the_rest_to_the_next_and_time_for_the_ledger(
    engine: Engine, tmp_path: Path
) -> None:
    ended(engine, 2, days_ago=41)
    ended(engine, 1)
    asked, answers = [], iter((True, False))

    def has_time(seconds: float) -> bool:
        asked.append(seconds)
        return next(answers, False)

    assert archiving(engine, tmp_path).run(has_time).orders == 2
    first, later, folding, forgetting = asked
    assert later > folding > forgetting == first
    assert archiving(engine, tmp_path).run().orders == 1
    assert on_record(engine) == (3, 0, 0, 2)


def tamper_with(engine: Engine, order_id: UUID) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "UPDATE order_events SET packed = '', data = '{\"code\":\"NO_ROUTE\"}'"
                " WHERE order_id = :id AND seq = 3"
            ),
            {"id": order_id},
        )


def test_order_whose_events_were_tampered_with_stays_for_the_audit(engine: Engine, tmp_path: Path) -> None:
    ids = ended(engine, 3)
    tamper_with(engine, ids[1])
    done = archiving(engine, tmp_path).run()
    assert (done.orders, done.refused) == (2, 1)
    with engine.connect() as connection:
        left = connection.execute(text("SELECT DISTINCT order_id FROM order_events")).scalars().all()
    assert left == [ids[1]]


def test_part_of_which_no_order_is_sound_makes_no_archive_and_the_next_one_does(
    engine: Engine, tmp_path: Path
) -> None:
    (order_id,) = ended(engine, days_ago=41)
    tamper_with(engine, order_id)
    ended(engine)
    done = archiving(engine, tmp_path).run()
    assert (done.orders, done.refused) == (1, 1)
    assert on_record(engine) == (2, EVENTS, 1, 1)


def test_two_runs_at_once_archive_each_order_once(engine: Engine, tmp_path: Path) -> None:
    ended(engine, 2)
    first, second = archiving(engine, tmp_path), archiving(engine, tmp_path)

    class Overtaken(FolderArchiveStore):
        def get(self, place: str) -> bytes | None:
            second.run()
            return super().get(place)

    assert first.waiting() == 2
    assert archiver(engine, Overtaken(tmp_path), retention_days=DAYS).run().orders == 0
    assert on_record(engine) == (2, 0, 0, 1)


def test_audit_reads_archives_and_finds_what_is_missing_or_changed(engine: Engine, tmp_path: Path) -> None:
    ids = ended(engine, 2)
    archiving(engine, tmp_path).run()

    def broken() -> list[str]:
        found = json.loads(command(engine, tmp_path, "audit").output)
        return [
            each["problem"] for check in found for each in check["violations"] if "archive" in check["check"]
        ]

    assert broken() == []
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0")
    assert broken() == ["is not what was written"]
    told = command(engine, tmp_path, "order", str(ids[0]))
    assert told.exit_code == 1
    assert "is not what was written: see ./orderflow audit" in told.output
    path.unlink()
    assert broken() == ["is missing"]
    (order_id, *_) = ids
    with pytest.raises(ClickException, match="is not there: --archives says where archives are"):
        archived(str(tmp_path), path.relative_to(tmp_path).as_posix(), b"", str(order_id))


def test_record_is_sound_without_what_is_archived(engine: Engine, tmp_path: Path) -> None:
    ended(engine, 2)

    def violations() -> list[str]:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            return [each.check for found in audit(connection, must_be_finished=True) for each in found]

    before = violations()
    archiving(engine, tmp_path).run()
    assert set(violations()) <= set(before)


@pytest.mark.parametrize("table", ["order_events", "orders"])
def test_owner_too_deletes_nothing_without_the_archive(engine: Engine, table: str) -> None:
    ended(engine)
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608


def test_functions_can_archive_and_cannot_drop_by_themselves(engine: Engine, tmp_path: Path) -> None:
    ended(engine, 2)
    assert grant(engine)
    with as_function(engine) as app:
        with app.connect() as connection:
            connection.execute(text("SET orderflow.archiving = 'on'"))
            with pytest.raises(ProgrammingError):
                connection.execute(text("DELETE FROM order_events"))
        assert archiving(app, tmp_path).run().orders == 2
