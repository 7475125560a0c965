"""What a run of the sweep takes when it cannot take all: something of every account, and each thing once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.postgres.housekeeping import FINISHED_AFTER_S, PostgresHousekeeping
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.progress import Published
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.recovery.sweeper import Housekeeping, StrandedOrder, SubscriptionBehind
from chalicelib.services.recovery.turns import Rest
from chalicelib.services.subscription_ports import Missed, ReplayKind, Subscriptions
from tests.contract.records import Store, on_postgres, on_tables
from tests.contract.test_open_orders import RESTING
from tests.fakes.orders import LIFE, NOON, an_order, changed
from tests.fakes.queries import MemoryHousekeeping
from tests.fakes.tables import Tables

NOISY = 30
_moments = cycle((3, 1, 2, 1))
"""Some orders are accepted at one moment, and put on record in whatever order."""


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
        accepted_at = NOON + timedelta(seconds=next(_moments))
        order = an_order(order_id=uuid4(), account_id=account_id, accepted_at=accepted_at)
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
        with engine.begin() as connection:
            connection.execute(
                text("SET LOCAL session_replication_role = replica")
            )  # what ended does not change
            for table, times in (
                ("subscriptions", ("updated_at",)),
                ("orders", ("lease_until", "resumed_at", "updated_at")),
                ("unpublished", ("since",)),
                ("connections", ("expires_at",)),
            ):
                earlier = ", ".join(f"{each} = {each} - make_interval(secs => :seconds)" for each in times)
                connection.execute(text(f"UPDATE {table} SET {earlier}"), {"seconds": seconds})  # noqa: S608

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


def test_what_was_left_a_moment_ago_is_left_to_who_has_it_for_a_while(left: Left) -> None:
    left.behind("new")

    def named() -> tuple[bool, bool]:
        orders = [each.account_id for part in stranded(left.housekeeping, 100) for each in part]
        followers = [each.account_id for part in behind(left.housekeeping, 100) for each in part]
        return "new" in orders, "new" in followers

    assert named() == (False, False)
    left.pass_time(10)
    assert named() == (False, False)
    left.pass_time(10)
    assert named() == (True, True)


def test_order_that_ended_or_rests_is_no_stranded_one(left: Left) -> None:
    ended = left.store.moved(left.store.created(an_order(account_id="quiet"), lease_ms=0), *LIFE[2:])
    rests = changed(an_order(account_id="quiet"), **RESTING)
    left.store.created(rests, OrderStatus.PENDING, OrderStatus.OPEN, lease_ms=0)
    left.pass_time(3_600)
    found = {order.order_id for part in stranded(left.housekeeping, 100) for order in part}
    assert len(found) == NOISY + 2
    assert not found & {ended.state.order.order_id, rests.order_id}


def test_order_whose_message_waits_in_a_queue_that_is_behind_is_resumed_no_second_time_for_a_while(
    left: Left,
) -> None:
    (found,) = stranded(left.housekeeping, 100)
    left.housekeeping.note_resumed([order.order_id for order in found])
    assert stranded(left.housekeeping, 100) == [[]]


def test_orders_whose_messages_were_not_sent_are_named_to_the_next_run(left: Left) -> None:
    (found,) = stranded(left.housekeeping, 100)
    sent = {order.order_id for order in found[:2]}
    left.housekeeping.note_resumed(list(sent))
    (again,) = stranded(left.housekeeping, 100)
    assert {order.order_id for order in again} == {order.order_id for order in found} - sent


def test_order_whose_message_was_lost_is_resumed_again_after_a_while(left: Left) -> None:
    (found,) = stranded(left.housekeeping, 100)
    left.housekeeping.note_resumed([order.order_id for order in found])
    for seconds, number in ((100, 0), (30, NOISY + 2)):
        left.pass_time(seconds)
        assert sum(map(len, stranded(left.housekeeping, 100))) == number


def test_order_that_waits_for_a_lease_of_a_clock_that_went_back_is_resumed(left: Left) -> None:
    left.behind("new")
    left.housekeeping.note_resumed(
        [each.order_id for part in stranded(left.housekeeping, 100) for each in part]
    )
    left.pass_time(-3_600)
    found = [each.account_id for part in stranded(left.housekeeping, 100) for each in part]
    assert found.count("new") == 1


def test_connection_whose_message_waits_in_a_queue_that_is_behind_gets_no_other_one_for_a_while(
    left: Left,
) -> None:
    for seconds, number in ((0, NOISY + 2), (100, 0), (30, NOISY + 2)):
        left.pass_time(seconds)
        assert sum(map(len, behind(left.housekeeping, 100))) == number


def test_connection_whose_replay_has_just_begun_anew_is_left_to_it_for_a_while(left: Left) -> None:
    kinds = {"one=": ReplayKind.NAMED, "all=": ReplayKind.OF_ALL, "late=": ReplayKind.CATCH_UP}
    orders = {each: an_order(account_id=each) for each in (*kinds, "missed=")}

    def begin(connection_id: str, kind: ReplayKind) -> None:
        order = orders[connection_id]
        replay_id = uuid4()
        left.subscriptions.begin_replay(
            connection_id, order.account_id, order.order_id, replay_id=replay_id, after_seq=0, kind=kind
        )

    def named() -> set[str]:
        return {
            each.connection_id for part in behind(left.housekeeping, 100) for each in part
        } & orders.keys()

    for connection_id, order in orders.items():
        left.subscriptions.subscribe_account(connection_id, order.account_id)
        left.store.created(order, lease_ms=0, connection_id=connection_id)
    for connection_id in kinds:
        begin(connection_id, ReplayKind.NAMED)
    left.pass_time(60)
    for connection_id, kind in kinds.items():
        begin(connection_id, kind)
    left.subscriptions.mark_behind([Missed("missed=", orders["missed="], sent_to=1)])
    assert named() == set()
    left.pass_time(20)
    assert named() == orders.keys()


def test_connection_whose_message_was_not_sent_is_found_by_the_next_run(left: Left) -> None:
    (found,) = behind(left.housekeeping, 100)
    left.housekeeping.note_unsent(found[:2])
    left.pass_time(1)
    (again,) = behind(left.housekeeping, 100)
    assert {each.order_id for each in again} == {each.order_id for each in found[:2]}


def test_other_follower_of_the_same_order_goes_on_waiting_for_its_message(left: Left) -> None:
    order = an_order(account_id="busy")
    left.store.created(order, connection_id="live=")
    for name in ("one=", "two="):
        left.subscriptions.begin_replay(name, "busy", order.order_id, replay_id=uuid4(), after_seq=0)
    left.pass_time(60)
    found = [each for part in behind(left.housekeeping, 100) for each in part]
    assert {each.connection_id for each in found if each.account_id == "busy"} == {"one=", "two="}
    left.housekeeping.note_unsent([each for each in found if each.connection_id == "one="])
    left.pass_time(1)
    again = [each for part in behind(left.housekeeping, 100) for each in part]
    assert [each.connection_id for each in again] == ["one="]


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


def test_connections_whose_tokens_have_expired_are_named_the_oldest_first(left: Left) -> None:
    for name, seconds in (("late=", 30), ("soon=", 10), ("later=", 3_600), ("next=", 20)):
        left.store.connected(name, False, lasts=timedelta(seconds=seconds))
    assert left.housekeeping.expired_connections(limit=9) == []
    left.pass_time(60)
    assert left.housekeeping.expired_connections(limit=9) == ["soon=", "next=", "late="]
    assert left.housekeeping.expired_connections(limit=2) == ["soon=", "next="]


def forgotten(housekeeping: Housekeeping, limit: int) -> int:
    """Return how many subscriptions a run of the sweep forgets, a part after the other."""
    removed = 0
    while (part := housekeeping.forget_finished(limit=limit)).is_more:
        removed += part.removed
    return removed + part.removed


@pytest.mark.parametrize("limit", [3, 100])
def test_who_followed_an_order_that_ended_is_forgotten_after_a_while_once_it_has_all(
    left: Left, limit: int
) -> None:
    ended, behind_yet, open_yet = (an_order(account_id="follower") for _ in range(3))
    for order in (ended, behind_yet, open_yet):
        claimed = left.store.created(order, connection_id="f=")
        if order is not open_yet:
            left.store.moved(claimed, *LIFE[2:])
    left.subscriptions.mark_behind([Missed("f=", behind_yet, sent_to=1)])

    def followed() -> list[bool]:
        found = [left.subscriptions.of_orders([order]) for order in (ended, behind_yet, open_yet)]
        return [bool(each) for each in found]

    left.pass_time(FINISHED_AFTER_S - 60)
    assert (forgotten(left.housekeeping, limit), followed()) == (0, [True, True, True])
    left.pass_time(120)
    assert (forgotten(left.housekeeping, limit), followed()) == (1, [False, True, True])
    assert forgotten(left.housekeeping, limit) == 0


def test_who_follows_an_order_that_ends_long_after_it_came_is_not_forgotten_at_once(left: Left) -> None:
    orders = [an_order(account_id=f"patient-{way}") for way in ("filled", "alone", "all", "late")]
    claimed = [left.store.created(order, connection_id="f=") for order in orders]
    left.pass_time(FINISHED_AFTER_S + 60)
    filled, alone, together, late = orders
    left.store.moved(claimed[0], *LIFE[2:])
    assert left.store.record.cancel(alone.account_id, alone.order_id, NOON)
    assert left.store.open_orders.cancel_some(together.account_id, OrderFilter(), NOON, limit=9)
    left.store.open_orders.mark(late.account_id, OrderFilter(), NOON)
    assert left.store.record.cancel_covered([late.order_id], NOON)
    assert forgotten(left.housekeeping, 100) == 0
    left.pass_time(FINISHED_AFTER_S + 60)
    # What is yet to be told has to be told to someone, however long its message waits in a queue.
    assert forgotten(left.housekeeping, 100) == len(orders) - 2
    for order in (alone, together):
        state = left.store.record.state(order.account_id, order.order_id)
        assert state is not None
        left.store.record.note_published([Published(order.order_id, state.published_seq, state.seq)])
    assert forgotten(left.housekeeping, 100) == 2
    assert left.subscriptions.of_orders([filled]) == []


def test_amendment_of_an_order_that_rested_long_is_left_to_who_made_it_for_a_while(left: Left) -> None:
    order = changed(an_order(account_id="patient"), **RESTING)
    left.store.created(order, OrderStatus.PENDING, OrderStatus.OPEN)
    left.pass_time(3_600)
    terms = replace(order.terms, amount_units=order.terms.amount_units + 1)
    amended = replace(order, terms=terms)
    assert left.store.record.amend(order.account_id, order.order_id, NOON, lambda _: amended, {})
    for age_s, is_left in ((30, True), (40, False)):
        left.pass_time(age_s)
        found = left.store.record.published_elsewhere([order.order_id], within_s=60)
        assert (order.order_id in found) == is_left


def test_orders_whose_last_events_were_not_published_are_named_until_they_are(left: Left) -> None:
    orders = [an_order(account_id="quick") for _ in range(3)]
    for order in orders:
        left.store.created(order)
        assert left.store.record.cancel("quick", order.order_id, NOON)

    def named(limit: int = 9) -> set[UUID]:
        return {each.order_id for each in left.housekeeping.unpublished_orders(limit=limit)}

    assert named() == set()
    left.pass_time(60)
    assert named() == {order.order_id for order in orders}
    assert len(named(2)) == 2
    left.housekeeping.note_resumed([orders[0].order_id, orders[1].order_id])
    left.store.record.note_published([Published(orders[1].order_id, 0, 3)])
    assert named() == {orders[2].order_id}
    left.pass_time(60)
    assert named() == {orders[0].order_id, orders[2].order_id}
