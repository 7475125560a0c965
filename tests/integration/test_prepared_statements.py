"""What a session prepares: so many statements and no more, and one anew whose plan went wrong."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.prepared import STATEMENTS_MAX
from chalicelib.adapters.postgres.statements import Database, Statement

_PREPARED = Statement(
    "SELECT count(*) AS statements, max(generic_plans + custom_plans) AS runs FROM pg_prepared_statements"
)
_ADD = Statement("INSERT INTO kept (n) VALUES (:n) RETURNING n")
_ALL = Statement("SELECT n FROM kept ORDER BY n")
_CHANGING = Statement("SELECT * FROM changing WHERE n > :n")
_HALF = Statement("SELECT 1 / CAST(:n AS int) AS n")


class _RefusedError(Exception):
    """Something that the code around a transaction may raise."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url, pool_size=1)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE kept (n int PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE changing (n int)"))
    made.dispose()
    yield made
    made.dispose()


def test_statements_beyond_those_that_a_session_prepares_run_and_are_undone_like_others(
    engine: Engine,
) -> None:
    database, again = Database(engine), Statement("SELECT 0 AS n")
    for n in range(STATEMENTS_MAX + 1):
        assert database.execute(Statement(f"SELECT {n} AS n")) == [(n,)]
    for _ in range(5):
        database.execute(again)
    assert database.execute(_PREPARED) == [(STATEMENTS_MAX, 6)]

    def add_and_give_up() -> None:
        with database.transaction() as session:
            assert session.execute(_ADD, {"n": 1}) == [(1,)]
            raise _RefusedError

    with pytest.raises(_RefusedError):
        add_and_give_up()
    assert database.execute(_ALL) == []


def test_statement_among_others_is_prepared_anew_once_its_plan_went_wrong(engine: Engine) -> None:
    database = Database(engine)

    def ask() -> list[object]:
        with database.transaction() as session:
            return session.execute_all((_ALL, {}), (_CHANGING, {"n": 0}))[1]

    assert ask() == []
    database.execute(Statement("ALTER TABLE changing ALTER n TYPE bigint"))
    with pytest.raises(ProgrammingError, match="cached plan"):
        ask()
    assert ask() == []


def test_question_after_a_commit_is_prepared_anew_once_its_plan_went_wrong(engine: Engine) -> None:
    database = Database(engine)

    def add_and_ask(n: int) -> object:
        with database.transaction() as session:
            return session.finish_and_ask((_ADD, {"n": n}), then=(_CHANGING, {"n": 0}))[1]

    assert add_and_ask(1) == []
    database.execute(Statement("ALTER TABLE changing ALTER n TYPE bigint"))
    assert [add_and_ask(n) for n in (2, 3)] == [None, []]
    assert database.execute(_ALL) == [(1,), (2,), (3,)]


def test_session_keeps_one_of_each_statement_however_often_they_went_wrong(engine: Engine) -> None:
    """Else who has a statement refused again and again, as a cancel after a failover, fills its memory."""
    database = Database(engine)

    def both(n: int) -> list[list[object]]:
        with database.transaction() as session:
            return session.finish((_ALL, {}), (_HALF, {"n": n}))

    for _ in range(5):
        with pytest.raises(ProgrammingError, match="division"):
            both(0)
        with pytest.raises(ProgrammingError, match="division"):
            database.execute(_HALF, {"n": 0})
    assert both(1) == [[], [(1,)]]
    ((statements, _),) = database.execute(_PREPARED)
    assert statements == 3
