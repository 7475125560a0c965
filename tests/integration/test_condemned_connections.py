"""Errors that condemn the connection: it is dropped, the fault passes, and what comes next works again."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import product
from time import monotonic

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError, UnansweredError
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order

DRIVERS = ("postgresql", "postgresql+psycopg")

# Of the connection, the session or the server, and not of the statement.
CONDEMNING = (
    "08000", "08003", "08006", "08P01", "25006", "25P02", "25P03", "25P04", "26000", "42P05", "53300",
    "57P01", "57P02", "57P03", "57P04", "57P05",
)  # fmt: skip
OF_THE_STATEMENT = ("40001", "40P01", "53200", "55P03", "57014")

_PROCESS = Statement("SELECT pg_backend_pid() AS pid")
_RAISE = Statement("SELECT failing(:state)")


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    return database_url.replace("postgresql://", f"{request.param}://")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = make_engine(url, pool_size=1)
    with made.begin() as connection:
        connection.execute(
            text("""
            CREATE FUNCTION failing(state text) RETURNS int LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = state; END $$
            """)
        )
    yield made
    made.dispose()


def by_statement(engine: Engine, state: str) -> object:
    return Database(engine).execute(_RAISE, {"state": state})


def by_transaction(engine: Engine, state: str) -> object:
    with Database(engine).transaction() as session:
        return session.execute(_RAISE, {"state": state})


def by_sqlalchemy(engine: Engine, state: str) -> object:
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        return connection.execute(text("SELECT failing(:state)"), {"state": state}).all()


WAYS = (by_statement, by_transaction, by_sqlalchemy)


def process_of(engine: Engine) -> int:
    (row,) = Database(engine).execute(_PROCESS)
    return int(row.pid)


def test_connection_that_is_condemned_is_replaced_and_the_fault_passes(engine: Engine) -> None:
    for way, state in product(WAYS, CONDEMNING):
        before = process_of(engine)
        with pytest.raises(RetryableError), translated_errors():
            way(engine, state)
        assert process_of(engine) != before, (way, state)


def test_passing_fault_of_a_statement_keeps_its_connection(engine: Engine) -> None:
    for way, state in product(WAYS, OF_THE_STATEMENT):
        before = process_of(engine)
        with pytest.raises(RetryableError) as caught, translated_errors():
            way(engine, state)
        assert not isinstance(caught.value, UnansweredError), "a server that reports an error has undone it"
        assert process_of(engine) == before, (way, state)


@pytest.mark.parametrize("cut", [KeyboardInterrupt, ConnectionResetError])
def test_connection_whose_exchange_may_have_been_cut_short_is_replaced(
    engine: Engine, cut: type[BaseException]
) -> None:
    before = process_of(engine)
    with pytest.raises(cut), Database(engine).transaction():
        raise cut
    assert process_of(engine) != before


def test_sessions_from_a_time_when_the_database_only_read_do_not_outlast_it(url: str) -> None:
    admin = make_engine(url)
    name = url.rpartition("/")[2]
    alter = admin.execution_options(isolation_level="AUTOCOMMIT")
    with alter.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    engine = make_engine(url)
    store, order = on_postgres(engine), an_order()
    for write in (
        lambda: store.keys.reserve("alice", "mine", "aa"),
        lambda: store.record.cancel("alice", order.order_id, datetime.now(UTC)),
        lambda: store.subscriptions.forget(["c="]),
    ):
        with pytest.raises(RetryableError):
            write()
    with alter.connect() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        connection.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))
    # One session of the time may be left in each pool; it goes with the first write that it refuses.
    for write in (
        lambda: store.keys.reserve("alice", "mine", "aa"),
        lambda: store.record.cancel("alice", order.order_id, datetime.now(UTC)),
        lambda: store.subscriptions.forget(["c="]),
    ):
        write()
    engine.dispose()
    admin.dispose()


class FakeServer:
    """Takes connections, and does with each what it is told."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._behave = behave
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def url(self, driver: str) -> str:
        return f"{driver}://u:p@127.0.0.1:{self._listener.getsockname()[1]}/d"

    def _serve(self) -> None:
        while not self._is_over.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._attend, args=(peer,), daemon=True).start()

    def _attend(self, peer: socket.socket) -> None:
        with closing(peer), suppress(OSError):  # a client may be gone already
            peer.recv(65_536)
            self._behave(peer)
            self._is_over.wait(30)

    def close(self) -> None:
        self._is_over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits for a client
        self._listener.close()
        self._thread.join()


GARBAGE = (
    b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4,
    b"\x00" * 64,
    b"R\x00\x00\x00\x04" * 8,
    b"?\x00\x00\x00\x08abcd" * 4,
    b"S\x00\x00\x00\x06\xff\xff" * 4,
)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("said", GARBAGE)
def test_whoever_does_not_speak_the_protocol_is_a_passing_fault(driver: str, said: bytes) -> None:
    def babble(peer: socket.socket) -> None:
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)

    with closing(FakeServer(babble)) as server:
        engine = make_engine(server.url(driver))
        with pytest.raises(RetryableError):
            on_postgres(engine).queries.find("alice", an_order().order_id)
        engine.dispose()


@pytest.mark.parametrize("driver", DRIVERS)
def test_server_that_is_frozen_costs_no_more_than_what_is_left_of_the_invocation(driver: str) -> None:
    with closing(FakeServer(lambda _peer: None)) as server:
        engine = make_engine(server.url(driver), time_limit_s=60)
        began = monotonic()
        with time_left.of_invocation(2.5), pytest.raises(RetryableError):
            on_postgres(engine).queries.find("alice", an_order().order_id)
        assert monotonic() - began < 60, "the limit of a connect alone"
        engine.dispose()


def test_statement_that_is_not_answered_is_given_up_and_may_have_been_done(engine: Engine) -> None:
    wait = Statement("SELECT pg_sleep(:seconds)")
    process_of(engine)
    with time_left.of_invocation(1.0), pytest.raises(UnansweredError), translated_errors():
        Database(engine).execute(wait, {"seconds": 20})
    assert process_of(engine)


def test_nothing_is_begun_when_the_time_is_up(engine: Engine) -> None:
    with time_left.of_invocation(0.0), pytest.raises(RetryableError) as caught, translated_errors():
        process_of(engine)
    assert not isinstance(caught.value, UnansweredError)
