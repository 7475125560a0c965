"""A pooler in between that puts another session behind a connection, which does not know its statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from struct import pack
from threading import Thread

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.readiness import check_takes_writes
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.domain.errors import RetryableError, UnansweredError
from tests.support.swapping_proxy import SwappingProxy

_ONE, _TWO = Statement("SELECT 1 AS n"), Statement("SELECT 2 AS n")
REASON = "a pooler in between keeps no prepared statements"


@pytest.fixture
def pooler(database_url: str) -> Iterator[SwappingProxy]:
    address = make_url(database_url)
    made = SwappingProxy(address.host or "127.0.0.1", address.port or 5432)
    yield made
    made.close()


@pytest.fixture
def clients(database_url: str, pooler: SwappingProxy) -> Iterator[list[Engine]]:
    url = make_url(database_url).set(host="127.0.0.1", port=pooler.port).render_as_string(False)
    made = [make_engine(url, pool_size=1) for _ in range(2)]
    yield made
    for each in made:
        each.dispose()


def test_statement_of_another_client_is_never_run_in_the_place_of_ones_own(
    clients: list[Engine], pooler: SwappingProxy
) -> None:
    first, second = map(Database, clients)
    for _ in range(2):
        assert first.execute(_ONE) == [(1,)]
        assert second.execute(_TWO) == [(2,)]
    pooler.swap()
    with pytest.raises(RetryableError, match=REASON), translated_errors():
        first.execute(_ONE)


def test_session_that_another_client_has_prepared_a_statement_on_says_what_is_wrong(
    clients: list[Engine], pooler: SwappingProxy
) -> None:
    first, second = map(Database, clients)
    first.execute(_ONE)
    second.execute(_TWO)
    pooler.swap()
    with pytest.raises(RetryableError, match=REASON), translated_errors():
        second.execute(_ONE)


def test_database_behind_such_a_pooler_is_not_ready(clients: list[Engine], pooler: SwappingProxy) -> None:
    check_takes_writes(clients[0])
    Database(clients[1]).execute(_ONE)
    pooler.swap()
    with pytest.raises(RetryableError, match=REASON):
        check_takes_writes(clients[1])


@contextmanager
def pooler_without_server() -> Iterator[int]:
    """PgBouncer's words where its server is gone: everyone is let in, and the first statement is refused."""
    ready = b"R" + pack("!ii", 8, 0) + b"Z" + pack("!i", 5) + b"I"
    fields = b"SFATAL\0VFATAL\0C08P01\0Mquery_wait_timeout\0\0"
    refusal = b"E" + pack("!i", 4 + len(fields)) + fields

    class Session(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(ready)
            self.request.recv(65_536)
            self.request.sendall(refusal)

    with ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_statement_was_not_sent_where_the_pooler_had_no_server_for_a_new_session(driver: str) -> None:
    with pooler_without_server() as port:
        pooled = make_engine(f"{driver}://trader@127.0.0.1:{port}/orders")
        for _ in range(2):
            with pytest.raises(RetryableError) as told, translated_errors():
                Database(pooled).execute(_ONE)
            assert not isinstance(told.value, UnansweredError)
        pooled.dispose()
