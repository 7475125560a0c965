"""What a run of the sweep takes when it cannot take all: something of every account."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.services.recovery.turns import Rest
from tests.contract.records import on_postgres
from tests.fakes.orders import an_order

NOISY = 30


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A record in which one account left much behind long ago, and another a little a minute ago."""
    engine = make_engine(database_url)
    store = on_postgres(engine)
    for account_id, count, minutes in (("noisy", NOISY, 60), ("quiet", 1, 1)):
        for _ in range(count):
            order = an_order(account_id=account_id)
            store.created(order)
            store.subscriptions.begin_replay(
                f"{account_id}=", account_id, order.order_id, replay_id=uuid4(), after_seq=0
            )
        ago = {"account_id": account_id, "ago": minutes}
        for statement in (
            "UPDATE subscriptions SET updated_at = updated_at - make_interval(mins => :ago)",
            "UPDATE orders SET lease_until = clock_timestamp() - make_interval(mins => :ago)",
        ):
            with engine.begin() as connection:
                connection.execute(text(f"{statement} WHERE account_id = :account_id"), ago)
    yield engine
    engine.dispose()


def test_stranded_order_of_a_quiet_account_is_not_behind_all_of_a_noisy_one(engine: Engine) -> None:
    housekeeping = PostgresHousekeeping(engine)
    part = housekeeping.stranded_orders(Rest(), limit=4)
    assert [order.account_id for order in part.found] == ["noisy", "noisy", "quiet"]
    found = list(part.found)
    while part.rest is not None:
        part = housekeeping.stranded_orders(part.rest, limit=4)
        found += part.found
    assert len(found) == len({order.order_id for order in found}) == NOISY + 1


def test_follower_of_a_quiet_account_is_caught_up_in_the_first_part(engine: Engine) -> None:
    housekeeping = PostgresHousekeeping(engine)
    part = housekeeping.subscriptions_behind(Rest(), limit=4)
    assert sorted(each.account_id for each in part.found) == ["noisy", "noisy", "quiet"]
    number = len(part.found)
    while part.rest is not None:
        part = housekeeping.subscriptions_behind(part.rest, limit=4)
        number += len(part.found)
    assert number == NOISY + 1


def test_connection_whose_message_waits_in_a_queue_that_is_behind_gets_no_other_one_for_a_while(
    engine: Engine,
) -> None:
    housekeeping = PostgresHousekeeping(engine)
    assert len(housekeeping.subscriptions_behind(Rest(), limit=100).found) == NOISY + 1
    for seconds, found in ((100, 0), (30, NOISY + 1)):
        with engine.begin() as connection:
            later = "UPDATE subscriptions SET updated_at = updated_at - make_interval(secs => :seconds)"
            connection.execute(text(later), {"seconds": seconds})
        assert len(housekeeping.subscriptions_behind(Rest(), limit=100).found) == found
