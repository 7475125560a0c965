"""Statements on pooled connections: what counts after a fault, and who gets the connection next."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import sqlstate, translated_errors
from chalicelib.adapters.postgres.rows import text_array
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.domain.errors import RetryableError
from tests.support.ports import free_port

DRIVERS = ("postgresql", "postgresql+psycopg")

_ADD = Statement("INSERT INTO kept (n) VALUES (:n) RETURNING n AS added")
_ONE = Statement("SELECT 1 AS one")
_ALL = Statement("SELECT n FROM kept ORDER BY n")
_COUNT = Statement("SELECT count(*) AS count FROM kept WHERE n >= :least")
_END = Statement(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = pg_backend_pid() AND :sure"
)

_END_OTHERS = text(
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class _RefusedError(Exception):
    """Something that the code around a transaction may raise."""


def add_and_give_up(database: Database, n: int) -> None:
    with database.transaction() as session:
        session.execute(_ADD, {"n": n})
        raise _RefusedError


def end_others(engine: Engine) -> None:
    """Have the server end all of its sessions about this database."""
    administrator = make_engine(engine.url.render_as_string(hide_password=False))
    with administrator.connect() as connection:
        connection.execute(_END_OTHERS)
    administrator.dispose()


@contextmanager
def table_kept(database_url: str, driver: str) -> Iterator[Engine]:
    # One connection: what one user leaves behind, the next one finds.
    made = make_engine(database_url.replace("postgresql://", f"{driver}://"), pool_size=1)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE kept (n int PRIMARY KEY)"))
    yield made
    with made.begin() as connection:
        connection.execute(text("DROP TABLE kept"))
    made.dispose()


@pytest.fixture(params=DRIVERS)
def engine(request: pytest.FixtureRequest, database_url: str) -> Iterator[Engine]:
    with table_kept(database_url, request.param) as made:
        yield made


def test_single_statement_counts_at_once_and_names_its_columns(engine: Engine) -> None:
    (row,) = Database(engine).execute(_ADD, {"n": 1})
    assert row.added == 1
    assert Database(engine).execute(_ALL) == [(1,)]


def test_statement_without_parameters_is_prepared_as_well(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    prepared = Statement("SELECT statement, generic_plans + custom_plans AS runs FROM pg_prepared_statements")
    for _ in range(2):
        rows = Database(engine).execute(prepared)
    engine.dispose()
    assert [(row.statement, row.runs) for row in rows] == [(prepared.written_for(engine.dialect, {})[0], 2)]


def test_parameter_that_is_used_twice_is_one_value(engine: Engine) -> None:
    twice = Statement("SELECT CAST(:n AS int) AS first, CAST(:n AS int) + 1 AS second, '10 %' AS share")
    assert Database(engine).execute(twice, {"n": 4}) == [(4, 5, "10 %")]


def test_ids_and_documents_come_back_as_what_they_are(engine: Engine) -> None:
    written = Statement(
        "SELECT CAST(:id AS uuid) AS id, CAST(:document AS jsonb) AS b, CAST(:document AS json) AS j"
    )
    order_id, document = (
        UUID("019b796d-d600-7d23-87cc-9113e51a56b4"),
        {"units": 2**96 + 1, "share": 0.1, "é": None},
    )
    row = Database(engine).execute(written, {"id": str(order_id), "document": json.dumps(document)})[0]
    assert row == (order_id, document, document)


def test_transaction_counts_as_a_whole(engine: Engine) -> None:
    database = Database(engine)
    with database.transaction() as session:
        session.execute(_ADD, {"n": 1})
        session.execute(_ADD, {"n": 2})
    assert database.execute(_ALL) == [(1,), (2,)]


def test_transaction_that_is_left_by_an_exception_does_nothing(engine: Engine) -> None:
    database = Database(engine)
    with pytest.raises(_RefusedError):
        add_and_give_up(database, 1)
    assert database.execute(_ALL) == []


def test_transaction_after_a_single_statement_that_was_refused_is_still_one(engine: Engine) -> None:
    database = Database(engine)
    database.execute(_ADD, {"n": 1})
    with pytest.raises(IntegrityError):
        database.execute(_ADD, {"n": 1})
    with pytest.raises(_RefusedError):
        add_and_give_up(database, 2)
    assert database.execute(_ALL) == [(1,)]


def test_connection_on_which_not_even_a_rollback_is_possible_is_replaced(engine: Engine) -> None:
    database = Database(engine)

    def lose_the_connection_and_give_up() -> None:
        with database.transaction() as session:
            session.execute(_ADD, {"n": 1})
            end_others(engine)
            raise _RefusedError

    with pytest.raises(_RefusedError):
        lose_the_connection_and_give_up()
    assert database.execute(_ALL) == []


def test_idle_connections_that_the_server_ended_fail_one_statement_at_most(engine: Engine) -> None:
    larger = make_engine(engine.url.render_as_string(hide_password=False), pool_size=2)
    database = Database(larger)

    def ask_on_two() -> None:
        with database.transaction() as first, database.transaction() as second:
            assert first.execute(_ALL) == second.execute(_ALL) == []

    ask_on_two()
    end_others(engine)
    with suppress(RetryableError), translated_errors():
        database.execute(_ALL)
    ask_on_two()
    larger.dispose()
    engine.dispose()


@pytest.mark.parametrize("is_single", [True, False])
def test_connection_that_the_server_ended_while_it_was_idle_fails_nothing(
    database_url: str, *, is_single: bool
) -> None:
    engine, admin = make_engine(database_url, pool_size=1), make_engine(database_url)
    database = Database(engine)
    pool, lent = database.lend()
    connection = lent.dbapi_connection
    database.take_back(pool, lent, None)
    assert not connection.has_ended()
    end_others(admin)
    while not connection.has_ended():
        pass
    if is_single:
        assert database.execute(_ONE) == [(1,)]
    else:
        with engine.connect() as through_sqlalchemy:
            assert through_sqlalchemy.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
    admin.dispose()


def test_connection_that_was_lent_when_all_others_were_replaced_is_closed_when_it_comes_back(
    database_url: str,
) -> None:
    larger = make_engine(database_url, pool_size=2)
    pool, lent = Database(larger).lend()
    larger.dispose()
    assert lent.dbapi_connection is not None
    Database(larger).take_back(pool, lent, None)
    assert lent.dbapi_connection is None


def test_refused_statement_undoes_its_transaction_and_leaves_the_connection_usable(engine: Engine) -> None:
    database = Database(engine)
    database.execute(_ADD, {"n": 2})

    def add_one_and_two() -> None:
        with database.transaction() as session:
            for n in (1, 2):
                session.execute(_ADD, {"n": n})

    with pytest.raises(IntegrityError):
        add_one_and_two()
    with pytest.raises(IntegrityError):
        database.execute(_ADD, {"n": 2})
    assert database.execute(_ALL) == [(2,)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_server_that_takes_no_connection_uses_up_none_of_the_pool(driver: str) -> None:
    nobody = make_engine(f"{driver}://trader@127.0.0.1:{free_port()}/orders", pool_size=1)
    for _ in range(4):  # of the two that there may be
        with pytest.raises(RetryableError, match="the database did not answer"), translated_errors():
            Database(nobody).execute(_ALL)


def test_single_statements_give_their_connection_back_however_they_end(engine: Engine) -> None:
    database = Database(engine)
    database.execute(_ADD, {"n": 1})
    for _ in range(4):
        with pytest.raises(IntegrityError):
            database.execute(_ADD, {"n": 1})
        with pytest.raises(RetryableError), translated_errors():
            database.execute(_END, {"sure": True})
    assert database.execute(_ALL) == [(1,)]


def test_sqlalchemys_transaction_after_a_single_statement_is_still_one(engine: Engine) -> None:
    Database(engine).execute(_ALL)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO kept (n) VALUES (7)"))
        connection.rollback()
    assert Database(engine).execute(_ALL) == []


@pytest.mark.parametrize("is_single", [True, False])
def test_connection_that_the_server_ended_is_replaced(engine: Engine, *, is_single: bool) -> None:
    database = Database(engine)

    def ask_after_the_end() -> None:
        if is_single:
            database.execute(_END, {"sure": True})
        with database.transaction() as session:
            session.execute(_END, {"sure": True})
            session.execute(_ALL)

    with pytest.raises(RetryableError), translated_errors():
        ask_after_the_end()
    database.execute(_ADD, {"n": 5})
    assert database.execute(_ALL) == [(5,)]


def test_statements_that_go_together_see_each_other_and_count_as_a_whole(engine: Engine) -> None:
    database = Database(engine)
    with database.transaction() as session:
        (added,), found = session.execute_all((_ADD, {"n": 1}), (_COUNT, {"least": 0}))
        assert (added.added, found) == (1, [(1,)])
        assert session.finish((_ADD, {"n": 2}), (_COUNT, {"least": 2})) == [[(2,)], [(1,)]]
    assert database.execute(_ALL) == [(1,), (2,)]


def test_error_among_statements_that_go_together_undoes_all_and_keeps_the_connection(engine: Engine) -> None:
    database = Database(engine)
    database.execute(_ADD, {"n": 3})

    def add_together() -> None:
        with database.transaction() as session:
            session.execute_all((_ADD, {"n": 1}), (_ADD, {"n": 3}), (_COUNT, {"least": 0}))

    def finish_wrongly() -> None:
        with database.transaction() as session:
            session.execute(_ADD, {"n": 1})
            session.finish((_ADD, {"n": 3}))

    for attempt in (add_together, finish_wrongly):
        with pytest.raises(IntegrityError):
            attempt()
        assert database.execute(_ALL) == [(3,)]


def test_question_that_goes_with_a_commit_sees_what_it_did(database_url: str) -> None:
    with table_kept(database_url, "postgresql") as engine:
        with Database(engine).transaction() as session:
            (rows,), counted = session.finish_and_ask((_ADD, {"n": 1}), then=(_COUNT, {"least": 0}))
        assert (rows, counted) == ([(1,)], [(1,)])


def test_question_that_fails_leaves_the_commit_before_it_and_the_connection(engine: Engine) -> None:
    with Database(engine).transaction() as session:
        (rows,), counted = session.finish_and_ask((_ADD, {"n": 1}), then=(_COUNT, {"least": "no number"}))
    assert (rows, counted) == ([(1,)], None)
    assert Database(engine).execute(_ALL) == [(1,)]


def test_question_after_a_refused_commit_is_not_answered(engine: Engine) -> None:
    database = Database(engine)
    database.execute(_ADD, {"n": 1})
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.finish_and_ask((_ADD, {"n": 2}), (_ADD, {"n": 1}), then=(_COUNT, {"least": 0}))
    assert database.execute(_ALL) == [(1,)]


def test_statement_waits_for_a_lock_and_the_next_one_sees_what_came_before_it(engine: Engine) -> None:
    """The two travel together, but the second takes its snapshot when the first is done."""
    database = Database(engine)
    lock = Statement("SELECT pg_advisory_xact_lock(:key)")
    with make_engine(engine.url.render_as_string(hide_password=False)).connect() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(1)"))

        def count_under_lock() -> list[object]:
            with database.transaction() as session:
                _, rows = session.execute_all((lock, {"key": 1}), (_COUNT, {"least": 0}))
                return rows

        with ThreadPoolExecutor(1) as executor:
            counted = executor.submit(count_under_lock)
            while not other.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                pass
            other.execute(text("INSERT INTO kept (n) VALUES (9)"))
            other.commit()
            assert counted.result() == [(1,)]
    other.engine.dispose()


def test_value_that_cannot_be_sent_leaves_nothing_for_the_next_user(engine: Engine) -> None:
    database = Database(engine)
    say = Statement("SELECT CAST(:said AS text) AS said")

    def say_half_a_letter() -> None:
        with database.transaction() as session:
            session.execute_all((_ADD, {"n": 1}), (say, {"said": "\ud800"}))

    with pytest.raises(UnicodeEncodeError):
        say_half_a_letter()
    assert database.execute(say, {"said": "next"}) == [("next",)]
    assert database.execute(_ALL) == []


def test_answer_that_comes_in_many_parts_is_whole(engine: Engine) -> None:
    database = Database(engine)
    rows = Statement("SELECT n, repeat('x', n) AS said FROM generate_series(CAST(:least AS int), 1500) AS n")
    found = database.execute(rows, {"least": 1})
    assert [(row.n, len(row.said)) for row in found] == [(n, n) for n in range(1, 1501)]
    with database.transaction() as session:
        first, second = session.finish((rows, {"least": 1499}), (_COUNT, {"least": 0}))
    assert ([row.n for row in first], second) == ([1499, 1500], [(0,)])


def test_rule_that_is_checked_at_the_end_undoes_what_went_together(engine: Engine) -> None:
    database = Database(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE kept ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED"))
        connection.execute(text("ALTER TABLE kept DROP CONSTRAINT kept_pkey"))
    database.execute(_ADD, {"n": 1})
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.finish((_ADD, {"n": 2}), (_ADD, {"n": 1}))
    assert database.execute(_ALL) == [(1,)]


def test_commit_that_the_server_refuses_is_told_and_leaves_the_connection_usable(engine: Engine) -> None:
    database = Database(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE kept ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED"))
        connection.execute(text("ALTER TABLE kept DROP CONSTRAINT kept_pkey"))
    with pytest.raises(DBAPIError) as refused, database.transaction() as session:
        session.execute_all((_ADD, {"n": 1}), (_ADD, {"n": 1}))
    assert sqlstate(refused.value) == "23505"
    assert database.execute(_ALL) == []


def test_nothing_after_a_refused_statement_is_run(engine: Engine) -> None:
    database = Database(engine)
    database.execute(_ADD, {"n": 1})
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.finish((_ADD, {"n": 1}), (_ADD, {"n": 2}))
    assert database.execute(_ALL) == [(1,)]
    with pytest.raises(DBAPIError) as refused, database.transaction() as session:
        session.finish((_COUNT, {"least": "no number"}), (_ADD, {"n": 1}))
    assert sqlstate(refused.value) == "22P02"


def test_array_of_texts_arrives_as_it_was(engine: Engine) -> None:
    texts = ("plain", 'a "quoted"', "back\\slash", "{a,b}", "", "NULL", "é")
    said = Statement("SELECT t FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS u(t, n) ORDER BY n")
    assert [row.t for row in Database(engine).execute(said, {"texts": text_array(*texts)})] == list(texts)
