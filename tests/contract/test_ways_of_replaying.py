"""A replay of one order, of all of an account's, or for a connection that is behind: each ``Subscriptions``
begins them by different statements, and promises the same of all.
"""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscription
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.subscription_ports import Missed, Replay, ReplayKind
from tests.contract.records import Store, on_postgres
from tests.contract.test_subscriptions import a_connection, an_account, begin, subscriptions
from tests.contract.waiting import wait_for_waiting
from tests.fakes.orders import an_order

each_kind = pytest.mark.parametrize("kind", ReplayKind, ids=["one", "all", "behind"])


def live(store: Store, connection_id: str, order: Order) -> UUID:
    """Have a connection follow an order that has two events; return the replay that led there."""
    replay_id = begin(store, connection_id, order)
    assert store.subscriptions.go_live(connection_id, order.order_id, replay_id=replay_id, seq=2)
    return replay_id


def begun(
    store: Store, connection_id: str, order: Order, kind: ReplayKind, *, after_seq: int = 1
) -> tuple[UUID, Replay | None]:
    replay_id = uuid4()
    return replay_id, store.subscriptions.begin_replay(
        connection_id, order.account_id, order.order_id, replay_id=replay_id, after_seq=after_seq, kind=kind
    )


@each_kind
@pytest.mark.parametrize("batched", [True, False])
def test_replay_begins_where_it_is_asked_to_and_at_the_last_event_at_most(
    store: Store, kind: ReplayKind, *, batched: bool
) -> None:
    order, connection_id = an_order(account_id=an_account()), a_connection()
    for _ in range(3):
        store.moved(store.created(an_order(account_id=order.account_id)), OrderStatus.ROUTED)
    store.created(order)
    store.connected(connection_id, batched)
    store.connected(a_connection(), not batched)
    for after_seq, replayed_to in ((1, 1), (2**31 - 1, 2)):
        store.subscriptions.subscribe_account(connection_id, order.account_id)
        live(store, connection_id, order)
        _, replay = begun(store, connection_id, order, kind, after_seq=after_seq)
        assert replay == Replay(after_seq=replayed_to, batched=batched)
        assert [each.replayed_to for each in subscriptions(store, order)] == [replayed_to]


@each_kind
def test_live_events_wait_for_a_replay_that_begins_and_for_no_other(store: Store, kind: ReplayKind) -> None:
    account_id, connection_id, other = an_account(), a_connection(), a_connection()
    order, beside = an_order(account_id=account_id), an_order(account_id=account_id)
    for each in (order, beside):
        store.created(each)
        store.subscriptions.subscribe_account(connection_id, account_id)
        last = live(store, connection_id, each)
    live(store, other, order)
    replay_id, _ = begun(store, connection_id, order, kind)

    def followers(followed: Order) -> dict[str, tuple[bool, int]]:
        return {each.connection_id: (each.live, each.replayed_to) for each in subscriptions(store, followed)}

    assert followers(order) == {connection_id: (False, 1), other: (True, 2)}
    assert followers(beside) == {connection_id: (True, 2)}
    go_live = store.subscriptions.go_live
    assert go_live(connection_id, order.order_id, replay_id=last, seq=2)
    assert not go_live(connection_id, order.order_id, replay_id=replay_id, seq=1)
    assert followers(order) == {connection_id: (False, 1), other: (True, 2)}
    assert go_live(connection_id, order.order_id, replay_id=replay_id, seq=2)
    assert followers(order) == {connection_id: (True, 2), other: (True, 2)}


@each_kind
def test_no_account_replays_an_order_of_another_or_one_that_is_not_there(
    store: Store, kind: ReplayKind
) -> None:
    alices, mallorys = (an_order(account_id=an_account()) for _ in range(2))
    connection_id = a_connection()
    for each in (alices, mallorys):
        store.created(each)
    store.subscriptions.subscribe_account(connection_id, mallorys.account_id)
    live(store, connection_id, mallorys)
    for order_id in (alices.order_id, uuid4()):
        found = store.subscriptions.begin_replay(
            connection_id, mallorys.account_id, order_id, replay_id=uuid4(), after_seq=0, kind=kind
        )
        assert found is None
    assert subscriptions(store, alices) == []
    assert [each.live for each in subscriptions(store, mallorys)] == [True]


def test_replay_that_has_ended_does_not_end_the_one_for_what_was_missed_after_it(store: Store) -> None:
    """Its message may be delivered twice."""
    order, connection_id = an_order(), a_connection()
    store.created(order)
    ended = live(store, connection_id, order)
    store.subscriptions.mark_behind([Missed(connection_id, order, sent_to=1)])
    assert store.subscriptions.go_live(connection_id, order.order_id, replay_id=ended, seq=2)
    assert subscriptions(store, order) == [
        Subscription(order.order_id, connection_id, live=False, replayed_to=1)
    ]


def test_connection_that_follows_live_is_caught_up_from_what_it_missed_alone(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order, connection_id=connection_id)
    _, replay = begun(store, connection_id, order, ReplayKind.CATCH_UP, after_seq=2)
    assert replay == Replay(after_seq=2, batched=False)


def test_replay_of_all_orders_is_for_who_is_subscribed_to_all_and_not_to_some(store: Store) -> None:
    account_id, connection_id = an_account(), a_connection()
    order, one = an_order(account_id=account_id), an_order(account_id=account_id)
    for each in (order, one):
        store.created(each)
    store.subscriptions.subscribe_account(a_connection(), account_id)
    live(store, connection_id, one)
    assert begun(store, connection_id, order, ReplayKind.OF_ALL)[1] is None
    store.subscriptions.subscribe_account(connection_id, account_id)
    assert begun(store, connection_id, order, ReplayKind.OF_ALL)[1] == Replay(after_seq=1, batched=False)
    later = an_order(account_id=account_id)
    store.created(later)
    begun(store, connection_id, later, ReplayKind.OF_ALL)
    assert {each.connection_id: each.live for each in subscriptions(store, later)}[connection_id] is False


def test_replay_of_all_orders_that_begins_while_its_connection_unsubscribes_is_none(
    contract_engine: Engine,
) -> None:
    store, connection_id = on_postgres(contract_engine), a_connection()
    order = an_order(account_id=an_account())
    store.subscriptions.subscribe_account(connection_id, order.account_id)
    store.created(order)
    with ThreadPoolExecutor(1) as executor, contract_engine.connect() as other:
        other.execute(text("DELETE FROM subscriptions WHERE connection_id = :id"), {"id": connection_id})
        replay = executor.submit(begun, store, connection_id, order, ReplayKind.OF_ALL)
        wait_for_waiting(other, 1)
        other.commit()
        assert replay.result()[1] is None
    assert subscriptions(store, order) == []
