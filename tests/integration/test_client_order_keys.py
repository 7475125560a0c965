"""Reserving client order ids in Postgres: what the disk has to wait for, and two that come at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.order_queries import PostgresClientOrderKeys


def test_statement_after_a_reservation_waits_for_the_disk_again(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    keys = PostgresClientOrderKeys(engine)
    with engine.connect() as connection:
        before = connection.execute(text("SHOW synchronous_commit")).scalar()
    assert keys.reserve("alice", "mine", "aa")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == before == "on"
    engine.dispose()


def test_only_the_transaction_that_says_so_goes_without_the_disk(database_url: str) -> None:
    engine = make_engine(database_url, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("SELECT public.without_waiting()"))
        within = connection.execute(text("SHOW synchronous_commit")).scalar()
    with engine.connect() as connection:
        assert (within, connection.execute(text("SHOW synchronous_commit")).scalar()) == ("off", "on")
    engine.dispose()


def test_content_that_has_an_id_keeps_it(database_url: str) -> None:
    engine = make_engine(database_url)
    keys = PostgresClientOrderKeys(engine)
    contents = ["aa", "aa", "bb", "aa"]
    assert [keys.reserve("alice", "mine", content) for content in contents] == [True, True, False, True]
    assert keys.reserve("bob", "mine", "bb")
    engine.dispose()


def test_of_contents_that_come_at_once_one_has_the_id_and_the_others_are_refused(database_url: str) -> None:
    engine = make_engine(database_url)
    keys = PostgresClientOrderKeys(engine)
    rivals = 4
    start = Barrier(rivals)

    def reserve(rival: int) -> list[bool]:
        start.wait()
        return [keys.reserve("alice", f"race {number}", f"{rival}") for number in range(20)]

    with ThreadPoolExecutor(rivals) as executor:
        wins = zip(*executor.map(reserve, range(rivals)), strict=True)
    assert [sum(outcome) for outcome in wins] == [1] * 20
    engine.dispose()
