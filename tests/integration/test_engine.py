"""The engine's promises about its connections."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import IntegrityError, InterfaceError, ProgrammingError

from chalicelib.adapters.postgres.engine import encryption, make_engine


def test_pg8000_connections_send_at_once(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver._usock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    engine.dispose()


def test_pg8000_prepares_a_statement_once_and_runs_it_with_new_values(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.begin() as connection:
        answers = [connection.execute(text("SELECT :n + 1"), {"n": n}).scalar_one() for n in (1, 2)]
        prepared = connection.exec_driver_sql("SELECT statement FROM pg_prepared_statements").scalars().all()
    engine.dispose()
    assert answers == [2, 3]
    assert [each for each in prepared if each.startswith("SELECT")] == ["SELECT $1 + 1"]


def test_prepared_statement_survives_a_migration_that_changes_what_it_returns(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE TABLE changing (n int)"))
        chosen = text("SELECT * FROM changing WHERE n > :n")
        connection.execute(chosen, {"n": 0})
        connection.execute(text("ALTER TABLE changing ALTER n TYPE bigint"))
        with pytest.raises(ProgrammingError, match="cached plan"):
            connection.execute(chosen, {"n": 0})
        assert connection.execute(chosen, {"n": 0}).all() == []
        connection.execute(text("DROP TABLE changing"))
    engine.dispose()


def test_statements_say_how_many_rows_they_were_about_one_and_many_at_once(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE counted (n int)"))
        inserted = connection.execute(text("INSERT INTO counted VALUES (:n)"), [{"n": n} for n in range(3)])
        moved = connection.execute(text("UPDATE counted SET n = n + 1 WHERE n < :n"), {"n": 2})
        assert (inserted.rowcount, moved.rowcount) == (3, 2)
        connection.rollback()
    engine.dispose()


def test_transaction_after_a_single_statement_is_rolled_back_whole(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    single = engine.execution_options(isolation_level="AUTOCOMMIT")
    with single.connect() as connection:
        connection.execute(text("CREATE TABLE kept (n int)"))
        connection.execute(text("INSERT INTO kept VALUES (:n)"), {"n": 1})
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO kept VALUES (:n)"), {"n": 2})
        connection.rollback()
    with single.connect() as connection:
        assert connection.execute(text("SELECT n FROM kept")).scalars().all() == [1]
        connection.execute(text("DROP TABLE kept"))
    engine.dispose()


@contextmanager
def words_noted(driver: Any) -> Iterator[list[str]]:
    """Note what is sent by itself, such as BEGIN."""
    execute_simple, sent = driver.execute_simple, []

    def noted(statement: str) -> Any:
        sent.append(statement)
        return execute_simple(statement)

    driver.execute_simple = noted
    yield sent
    driver.execute_simple = execute_simple


def test_single_statement_is_one_round_trip(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    single = engine.execution_options(isolation_level="AUTOCOMMIT")
    asked = text("SELECT CAST(:name AS text)")
    with single.connect() as connection:
        connection.execute(asked, {"name": "any"})
        driver: Any = connection.connection.driver_connection
    with words_noted(driver) as sent, single.connect() as connection:
        connection.execute(asked, {"name": "any"})
    engine.dispose()
    assert sent == []


def test_transaction_begins_in_the_round_trip_of_its_first_statement(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    asked = text("SELECT pg_current_xact_id()::text, CAST(:name AS text)")
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        with words_noted(driver) as sent:
            first, second = (connection.execute(asked, {"name": "any"}).one() for _ in range(2))
    engine.dispose()
    assert first == second
    assert sent == []


def test_session_at_another_level_gets_the_default_back(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    shown = text("SHOW transaction_isolation")
    levels = []
    for level in ("REPEATABLE READ", "READ COMMITTED"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            levels.append(connection.execute(shown).scalar_one())
    with engine.connect() as connection:
        levels.append(connection.execute(shown).scalar_one())
    engine.dispose()
    assert levels == ["repeatable read", "read committed", "read committed"]


def test_connection_that_was_reset_is_replaced(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    single = engine.execution_options(isolation_level="AUTOCOMMIT")
    server_process = text("SELECT pg_backend_pid() + CAST(:n AS int)")

    def reset(*_: object) -> Any:
        raise ConnectionResetError

    with single.connect() as connection:
        before = connection.execute(server_process, {"n": 0}).scalar_one()
        driver: Any = connection.connection.driver_connection
        # What a server that is gone makes of the next statement, depending on when its reset arrives.
        driver.execute_prepared = reset
        with pytest.raises(ConnectionResetError):
            connection.execute(server_process, {"n": 0})
    with single.connect() as connection:
        assert connection.execute(server_process, {"n": 0}).scalar_one() != before
    engine.dispose()


def test_duplicate_key_is_an_integrity_error(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE single (n int PRIMARY KEY)"))
        connection.execute(text("INSERT INTO single VALUES (:n)"), {"n": 1})
        with pytest.raises(IntegrityError):
            connection.execute(text("INSERT INTO single VALUES (:n)"), {"n": 1})
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@127.0.0.1/d", ("disable", None)),
        ("postgresql://u:p@localhost:5433/d", ("disable", None)),
        ("postgresql://u:p@db.example/d", ("verify-full", None)),
        ("postgresql+psycopg://u:p@db.example/d", ("verify-full", None)),
        ("postgresql://u:p@db.example/d?sslrootcert=ca.pem", ("verify-full", "ca.pem")),
        ("postgresql://u:p@db.example/d?sslmode=require", ("require", None)),
        ("postgresql://u:p@db.example/d?sslmode=disable", ("disable", None)),
        ("postgresql://u:p@127.0.0.1/d?host=db.example", ("verify-full", None)),
        ("postgresql+psycopg://u:p@localhost/d?host=db.example", ("verify-full", None)),
        ("postgresql+psycopg:///d?host=db.example:5433", ("verify-full", None)),
        ("postgresql+psycopg:///d?host=localhost:5433&host=db.example:5433", ("verify-full", None)),
        ("postgresql+psycopg://u:p@/d?host=localhost,db.example", ("verify-full", None)),
        ("postgresql+psycopg://u:p@localhost/d?hostaddr=203.0.113.7", ("verify-full", None)),
        ("postgresql+psycopg://u:p@db.example/d?hostaddr=127.0.0.1", ("verify-full", None)),
        ("postgresql+psycopg:///d?service=prod", ("verify-full", None)),
        ("postgresql+psycopg:///d?host=/var/run/postgresql", ("disable", None)),
        ("postgresql+psycopg:///d?host=localhost:5433&host=127.0.0.1:5434", ("disable", None)),
        ("postgresql://u:p@127.0.0.1/d?host=localhost", ("disable", None)),
    ],
)
def test_only_a_server_on_this_machine_is_spoken_to_in_the_clear(
    url: str, expected: tuple[str, str | None]
) -> None:
    assert encryption(make_url(url)) == expected


@pytest.mark.parametrize("mode", ["allow", "prefer", "verify-ca", "off"])
def test_modes_that_fall_back_to_the_clear_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match="sslmode"):
        make_engine(f"postgresql://u:p@db.example/d?sslmode={mode}")


def test_server_without_tls_is_not_spoken_to_when_tls_is_asked_for(database_url: str) -> None:
    engine = make_engine(f"{database_url}?sslmode=require")
    with pytest.raises(InterfaceError, match=r"SSL"):
        engine.connect()
    engine.dispose()


@pytest.mark.parametrize("mode", ["", "?sslmode=disable"])
def test_server_that_is_spoken_to_in_the_clear_is_not_asked_for_tls(mode: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        engine = make_engine(f"postgresql://u:p@127.0.0.1:{server.getsockname()[1]}/d{mode}")
        connecting = pool.submit(engine.connect)
        server.settimeout(30)
        with server.accept()[0] as connection:
            connection.settimeout(30)
            first = connection.recv(8, socket.MSG_WAITALL)
        with pytest.raises(InterfaceError):
            connecting.result()
    assert int.from_bytes(first[4:], "big") == 3 << 16, "the protocol's version, and not an SSLRequest"


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR"])
def test_environment_does_not_lead_a_connection_in_the_clear_elsewhere(
    database_url: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "192.0.2.1" if variable == "PGHOSTADDR" else "nowhere.invalid")
    address = make_url(database_url).set(drivername="postgresql+psycopg", host=None)
    for place in (None, "127.0.0.1"):
        engine = make_engine(address.set(host=place).render_as_string(hide_password=False))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        engine.dispose()
