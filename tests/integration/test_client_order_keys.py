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
