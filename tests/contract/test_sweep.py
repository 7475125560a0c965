"""What a run of the sweep takes when it cannot take all: something of every account, and each thing once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import PostgresHousekeeping
from chalicelib.services.recovery.sweeper import Housekeeping, StrandedOrder, SubscriptionBehind
from chalicelib.services.recovery.turns import Rest
from chalicelib.services.subscription_ports import Subscriptions
from tests.contract.records import Store, on_postgres, on_tables
from tests.fakes.orders import NOON, an_order
from tests.fakes.queries import MemoryHousekeeping
from tests.fakes.tables import Tables

NOISY = 30


@dataclass(frozen=True)
class Left:
    """A record in which one account left much behind long ago, and others a little a minute ago."""

    store: Store
    housekeeping: Housekeeping
    pass_time: Callable[[int], None]
    """Lets so many seconds pass."""

    @property
    def subscriptions(self) -> Subscriptions:
        return self.store.subscriptions

    def behind(self, account_id: str) -> None:
        """Put an order on record whose lease ends at once, and a connection that waits for a replay."""
        order = an_order(account_id=account_id)
        self.store.created(order, lease_ms=0)
        self.subscriptions.begin_replay(
            f"{account_id}=", account_id, order.order_id, replay_id=uuid4(), after_seq=0
        )


def _in_memory() -> Left:
    now = [NOON]

    def pass_time(seconds: int) -> None:
        now[0] += timedelta(seconds=seconds)

    tables = Tables(lambda: now[0])
    return Left(on_tables(tables), MemoryHousekeeping(tables), pass_time)


def _on_postgres(engine: Engine) -> Left:
    def pass_time(seconds: int) -> None:
        for earlier in (
            "UPDATE subscriptions SET updated_at = updated_at - make_interval(secs => :seconds)",
            "UPDATE orders SET lease_until = lease_until - make_interval(secs => :seconds)",
            "UPDATE orders SET resumed_at = resumed_at - make_interval(secs => :seconds)",
        ):
            with engine.begin() as connection:
                connection.execute(text(earlier), {"seconds": seconds})

    return Left(on_postgres(engine), PostgresHousekeeping(engine), pass_time)


@pytest.fixture(params=["memory", "postgres"])
def left(request: pytest.FixtureRequest) -> Iterator[Left]:
    engine = None
    if request.param == "memory":
        made = _in_memory()
    else:
        engine = make_engine(request.getfixturevalue("database_url"))
        made = _on_postgres(engine)
    for _ in range(NOISY):
        made.behind("noisy")
    made.pass_time(59 * 60)
    made.behind("quiet")
    made.behind("rare")
    made.pass_time(60)
    yield made
    if engine is not None:
        engine.dispose()


def stranded(housekeeping: Housekeeping, limit: int) -> list[list[StrandedOrder]]:
    part = housekeeping.stranded_orders(Rest(), limit=limit)
    parts = [list(part.found)]
    while part.rest is not None:
        part = housekeeping.stranded_orders(part.rest, limit=limit)
        parts.append(list(part.found))
    return parts


def behind(housekeeping: Housekeeping, limit: int) -> list[list[SubscriptionBehind]]:
    part = housekeeping.subscriptions_behind(Rest(), limit=limit)
    parts = [list(part.found)]
    while part.rest is not None:
        part = housekeeping.subscriptions_behind(part.rest, limit=limit)
        parts.append(list(part.found))
    return parts


@pytest.mark.parametrize("limit", [1, 2, 6, 100])
def test_accounts_take_turns_with_their_stranded_orders_and_none_is_looked_at_twice(
    left: Left, limit: int
) -> None:
    parts = stranded(left.housekeeping, limit)
    assert all(len(part) <= limit for part in parts)
    found = [order for part in parts for order in part]
    assert len(found) == len({order.order_id for order in found}) == NOISY + 2
    places = [order.account_id for order in found].index
    assert max(places("quiet"), places("rare")) <= max(limit, 3)


@pytest.mark.parametrize("limit", [1, 2, 6, 100])
def test_accounts_take_turns_with_their_followers_and_none_is_caught_up_twice(left: Left, limit: int) -> None:
    parts = behind(left.housekeeping, limit)
    assert all(len(part) <= limit for part in parts)
    found = [each for part in parts for each in part]
    assert len(found) == len({each.order_id for each in found}) == NOISY + 2
    places = [each.account_id for each in found].index
    assert max(places("quiet"), places("rare")) <= max(limit, 3)


def test_parts_of_both_stores_are_the_same_size(left: Left) -> None:
    assert [len(part) for part in stranded(left.housekeeping, 6)] == [4, 6, 6, 6, 6, 4]
    assert [len(part) for part in behind(left.housekeeping, 6)] == [4, 6, 6, 6, 6, 4]


def test_order_whose_message_waits_in_a_queue_that_is_behind_is_resumed_no_second_time_for_a_while(
    left: Left,
) -> None:
    (found,) = stranded(left.housekeeping, 100)
    left.housekeeping.note_resumed([order.order_id for order in found])
    assert stranded(left.housekeeping, 100) == [[]]


def test_order_whose_message_was_lost_is_resumed_again_after_a_while(left: Left) -> None:
    (found,) = stranded(left.housekeeping, 100)
    left.housekeeping.note_resumed([order.order_id for order in found])
    for seconds, number in ((100, 0), (30, NOISY + 2)):
        left.pass_time(seconds)
        assert sum(map(len, stranded(left.housekeeping, 100))) == number


def test_connection_whose_message_waits_in_a_queue_that_is_behind_gets_no_other_one_for_a_while(
    left: Left,
) -> None:
    for seconds, number in ((0, NOISY + 2), (100, 0), (30, NOISY + 2)):
        left.pass_time(seconds)
        assert sum(map(len, behind(left.housekeeping, 100))) == number


def test_connection_whose_message_was_not_sent_is_found_by_the_next_run(left: Left) -> None:
    (found,) = behind(left.housekeeping, 100)
    left.housekeeping.note_unsent(found[:2])
    left.pass_time(1)
    (again,) = behind(left.housekeeping, 100)
    assert {each.order_id for each in again} == {each.order_id for each in found[:2]}


def test_connection_that_was_caught_up_meanwhile_waits_for_no_message_again(left: Left) -> None:
    (found,) = behind(left.housekeeping, 100)
    one = found[0]
    replay_id = uuid4()
    left.subscriptions.begin_replay(
        one.connection_id, one.account_id, one.order_id, replay_id=replay_id, after_seq=0
    )
    left.housekeeping.note_unsent([one])
    left.pass_time(1)
    assert behind(left.housekeeping, 100) == [[]]
