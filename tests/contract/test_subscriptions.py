"""What every ``Subscriptions`` promises: nothing is lost or doubled between a replay and the live events."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.progress import NewOrder, Subscription
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.subscription_ports import Missed, Replay, ReplayKind
from tests.contract.records import Store, next_transition, on_postgres
from tests.contract.test_open_orders import RESTING, open_order, waiting_order
from tests.contract.waiting import wait_for_waiting
from tests.fakes.orders import LIFE, NOON, advanced, an_order, changed


def an_account() -> str:
    return f"account-{uuid4()}"


def a_connection() -> str:
    return f"{uuid4().hex[:15]}="


def subscriptions(store: Store, order: Order) -> list[Subscription]:
    return list(store.subscriptions.of_orders([order]))


def begin(store: Store, connection_id: str, order: Order, *, after_seq: int = 0) -> UUID:
    replay_id = uuid4()
    begun = store.subscriptions.begin_replay(
        connection_id, order.account_id, order.order_id, replay_id=replay_id, after_seq=after_seq
    )
    assert begun is not None
    return replay_id


def test_submitter_is_subscribed_to_its_order_from_the_first_event(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order, connection_id=connection_id)
    assert subscriptions(store, order) == [
        Subscription(order.order_id, connection_id, live=True, replayed_to=0)
    ]


def test_replay_is_not_live_until_it_has_seen_the_last_event(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    claimed = store.created(order)
    replay_id = begin(store, connection_id, order)
    assert [each.live for each in subscriptions(store, order)] == [False]
    store.moved(claimed, OrderStatus.ROUTED)
    go_live = store.subscriptions.go_live
    assert not go_live(connection_id, order.order_id, replay_id=replay_id, seq=2)
    assert go_live(connection_id, order.order_id, replay_id=replay_id, seq=3)
    assert subscriptions(store, order) == [
        Subscription(order.order_id, connection_id, live=True, replayed_to=3)
    ]


@pytest.mark.parametrize("batched", [True, False])
def test_connection_gets_batches_if_it_asked_for_them(store: Store, batched: bool) -> None:
    order, connection_id = an_order(), a_connection()
    store.connected(connection_id, batched)
    store.created(order, connection_id=connection_id)
    assert [each.batched for each in subscriptions(store, order)] == [batched]
    begun = store.subscriptions.begin_replay(
        connection_id, order.account_id, order.order_id, replay_id=uuid4(), after_seq=0
    )
    assert begun == Replay(after_seq=0, batched=batched)


def test_connection_that_is_forgotten_gets_batches_no_more(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.connected(connection_id, True)
    store.subscriptions.forget([connection_id])
    store.created(order, connection_id=connection_id)
    assert [each.batched for each in subscriptions(store, order)] == [False]


def test_replay_begins_at_the_last_event_at_most(store: Store) -> None:
    order = an_order()
    store.created(order)
    begun = store.subscriptions.begin_replay(
        a_connection(), order.account_id, order.order_id, replay_id=uuid4(), after_seq=2**31 - 1
    )
    assert begun == Replay(after_seq=2, batched=False)


def test_replay_of_an_unknown_or_foreign_order_is_none(store: Store) -> None:
    order = an_order(account_id="alice")
    store.created(order)
    for account_id, order_id in (("alice", uuid4()), ("mallory", order.order_id)):
        begun = store.subscriptions.begin_replay(
            a_connection(), account_id, order_id, replay_id=uuid4(), after_seq=0
        )
        assert begun is None
    assert subscriptions(store, order) == []


def test_superseded_replay_has_nothing_more_to_send(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order)
    first = begin(store, connection_id, order)
    second = begin(store, connection_id, order)
    assert store.subscriptions.go_live(connection_id, order.order_id, replay_id=first, seq=2)
    assert [each.live for each in subscriptions(store, order)] == [False]
    assert store.subscriptions.go_live(connection_id, order.order_id, replay_id=second, seq=2)
    assert [each.live for each in subscriptions(store, order)] == [True]


def test_subscriber_to_the_account_gets_every_order_of_it_and_of_no_other(store: Store) -> None:
    account_id, connection_id = an_account(), a_connection()
    unfinished, finished = an_order(account_id=account_id), an_order(account_id=account_id)
    store.created(unfinished)
    store.moved(store.created(finished), *LIFE[2:])
    open_order(store, an_account())
    found = store.subscriptions.subscribe_account(connection_id, account_id)
    assert (list(found.order_ids), found.more_rest) == ([unfinished.order_id], False)
    assert [each.live for each in subscriptions(store, unfinished)] == [False]  # until it has been replayed
    later, foreign = an_order(account_id=account_id), an_order(account_id=an_account())
    store.created(later)
    store.created(foreign)
    assert [each.connection_id for each in subscriptions(store, later)] == [connection_id]
    of_all = {each.order_id: each.is_of_all for each in subscriptions(store, unfinished)}
    of_all |= {each.order_id: each.is_of_all for each in subscriptions(store, finished)}
    assert of_all == {unfinished.order_id: False, finished.order_id: True}
    assert subscriptions(store, foreign) == []


def test_subscribers_to_two_accounts_get_each_their_own_orders_of_one_batch(store: Store) -> None:
    orders = [an_order(account_id=an_account()) for _ in range(2)]
    connections = [a_connection() for _ in orders]
    for order, connection_id in zip(orders, connections, strict=True):
        store.subscriptions.subscribe_account(connection_id, order.account_id)
        store.created(order)
    found = store.subscriptions.of_orders(orders)
    assert {(each.order_id, each.connection_id) for each in found} == {
        (order.order_id, connection_id) for order, connection_id in zip(orders, connections, strict=True)
    }
    assert len(found) == len(orders)


@pytest.mark.parametrize("rest", [True, False])
def test_subscriber_to_the_account_is_shown_the_newest_hundred_of_a_kind(store: Store, rest: bool) -> None:
    account_id, connection_id = an_account(), a_connection()
    other = waiting_order(store, account_id) if rest else open_order(store, account_id)
    new = []
    for second in reversed(range(101)):
        order = an_order(account_id=account_id, accepted_at=NOON + timedelta(seconds=second))
        order = changed(order, **RESTING) if rest else order
        last = OrderStatus.OPEN if rest else OrderStatus.ROUTING
        state, events = advanced(OrderState(order), OrderStatus.PENDING, last)
        new.append(NewOrder(state, events, None))
    store.record.create(new, lease_ms=0)
    newest = {each.state.order.order_id for each in new[:-1]}
    found = store.subscriptions.subscribe_account(connection_id, account_id)
    assert (set(found.order_ids), len(found.order_ids)) == (newest | {other}, 101)
    assert found.more_rest is rest
    oldest = subscriptions(store, new[-1].state.order)
    assert [(each.live, each.is_of_all) for each in oldest] == [(True, True)]
    assert not store.subscriptions.subscribe_account(a_connection(), an_account()).more_rest


def test_exactly_a_hundred_resting_orders_are_all_of_them(store: Store) -> None:
    account_id = an_account()
    new = []
    for _ in range(100):
        state, events = advanced(
            OrderState(changed(an_order(account_id=account_id), **RESTING)),
            OrderStatus.PENDING,
            OrderStatus.OPEN,
        )
        new.append(NewOrder(state, events, None))
    store.record.create(new, lease_ms=0)
    found = store.subscriptions.subscribe_account(a_connection(), account_id)
    assert (len(found.order_ids), found.more_rest) == (100, False)


def test_what_a_connection_says_of_one_order_goes_before_what_it_says_of_all(store: Store) -> None:
    order, connection_id = an_order(account_id=an_account()), a_connection()
    store.created(order)
    store.subscriptions.subscribe_account(connection_id, order.account_id)
    begin(store, connection_id, order, after_seq=1)
    assert subscriptions(store, order) == [
        Subscription(order.order_id, connection_id, live=False, replayed_to=1)
    ]


def test_connection_that_missed_a_frame_is_marked_behind_and_not_live(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order, connection_id=connection_id)
    store.subscriptions.mark_behind([Missed(connection_id, order, sent_to=1)])
    assert subscriptions(store, order) == [
        Subscription(order.order_id, connection_id, live=False, replayed_to=1)
    ]


def test_mark_behind_does_not_disturb_a_replay_that_is_under_way(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order)
    replay_id = begin(store, connection_id, order)
    store.subscriptions.mark_behind([Missed(connection_id, order, sent_to=1)])
    assert [each.replayed_to for each in subscriptions(store, order)] == [0]
    assert store.subscriptions.go_live(connection_id, order.order_id, replay_id=replay_id, seq=2)
    assert [each.replayed_to for each in subscriptions(store, order)] == [2]


def test_subscriber_to_the_account_that_missed_a_frame_is_marked_behind_for_that_order_alone(
    store: Store,
) -> None:
    account_id, connection_id = an_account(), a_connection()
    first, second = an_order(account_id=account_id), an_order(account_id=account_id)
    store.subscriptions.subscribe_account(connection_id, account_id)
    store.created(first)
    store.created(second)
    store.subscriptions.mark_behind([Missed(connection_id, first, sent_to=1)])
    assert [each.live for each in subscriptions(store, first)] == [False]
    assert [each.live for each in subscriptions(store, second)] == [True]


def test_unsubscribing_from_one_order_leaves_the_others(store: Store) -> None:
    account_id, connection_id = an_account(), a_connection()
    first, second = an_order(account_id=account_id), an_order(account_id=account_id)
    store.created(first, connection_id=connection_id)
    store.created(second, connection_id=connection_id)
    assert store.subscriptions.remove(connection_id, first.order_id)
    assert not store.subscriptions.remove(connection_id, first.order_id)
    assert subscriptions(store, first) == []
    assert len(subscriptions(store, second)) == 1


def test_unsubscribing_from_everything_leaves_other_connections(store: Store) -> None:
    order, leaving, staying = an_order(), a_connection(), a_connection()
    store.created(order, connection_id=leaving)
    begin(store, staying, order)
    store.subscriptions.remove(leaving, None)
    assert [each.connection_id for each in subscriptions(store, order)] == [staying]


def test_replay_of_all_orders_ends_with_the_subscription_to_them(store: Store) -> None:
    order, connection_id = an_order(account_id=an_account()), a_connection()
    store.created(order)

    def begun() -> Replay | None:
        return store.subscriptions.begin_replay(
            connection_id,
            order.account_id,
            order.order_id,
            replay_id=uuid4(),
            after_seq=0,
            kind=ReplayKind.OF_ALL,
        )

    store.subscriptions.subscribe_account(connection_id, order.account_id)
    assert begun() is not None
    store.subscriptions.remove(connection_id, None)
    assert begun() is None
    assert subscriptions(store, order) == []


def test_forgotten_connections_have_no_subscriptions(store: Store) -> None:
    order, connection_id = an_order(account_id=an_account()), a_connection()
    store.created(order, connection_id=connection_id)
    store.subscriptions.subscribe_account(connection_id, order.account_id)
    store.subscriptions.forget([connection_id, "never seen"])
    assert subscriptions(store, order) == []


def test_subscriber_to_an_account_gets_the_newest_of_very_many_resting_orders_and_is_told_of_more(
    contract_engine: Engine,
) -> None:
    store, account_id = on_postgres(contract_engine), an_account()
    ids, new = [], []
    for age_s in range(102):
        order = an_order(account_id=account_id, accepted_at=NOON - timedelta(seconds=age_s))
        order = changed(order, **RESTING)
        state, events = advanced(OrderState(order), OrderStatus.PENDING, OrderStatus.OPEN)
        ids.append(order.order_id)
        new.append(NewOrder(state, events, None))
    assert len(store.record.create(new, lease_ms=0)) == len(new)
    found = store.subscriptions.subscribe_account(a_connection(), account_id)
    assert (list(found.order_ids), found.more_rest) == (ids[:100], True)


def test_connection_whose_token_has_expired_sees_nothing_more(store: Store) -> None:
    order, expired, present = an_order(account_id=an_account()), a_connection(), a_connection()
    store.connected(expired, False, lasts=timedelta(0))
    store.connected(present, False, lasts=timedelta(hours=1))
    store.created(order, connection_id=expired)
    begin(store, present, order)
    assert [each.connection_id for each in subscriptions(store, order)] == [present]
    store.subscriptions.subscribe_account(expired, order.account_id)
    assert [each.connection_id for each in subscriptions(store, order)] == [present]
    begin(store, a_connection(), order)  # one that could not be noted
    assert len(subscriptions(store, order)) == 2


def test_replay_that_ends_while_an_event_is_being_committed_goes_on_with_that(
    contract_engine: Engine,
) -> None:
    store, order, connection_id = on_postgres(contract_engine), an_order(), a_connection()
    claimed = store.created(order)
    replay_id = begin(store, connection_id, order)
    with ThreadPoolExecutor(2) as executor, contract_engine.connect() as other:
        # The event waits for its order's row as well, and comes first.
        held = {"id": order.order_id}
        other.execute(text("SELECT FROM orders WHERE order_id = :id FOR NO KEY UPDATE"), held)
        step = next_transition(claimed, OrderStatus.ROUTED)
        moved = executor.submit(store.record.record, [step], lease_ms=0)
        wait_for_waiting(other, 1)
        ended = executor.submit(
            store.subscriptions.go_live, connection_id, order.order_id, replay_id=replay_id, seq=2
        )
        wait_for_waiting(other, 2)
        other.rollback()
        assert moved.result() == {order.order_id}
        assert not ended.result()
    assert [each.live for each in subscriptions(store, order)] == [False]


def caught_up(store: Store, connection_id: str, order: Order, *, after_seq: int) -> Replay | None:
    return store.subscriptions.begin_replay(
        connection_id,
        order.account_id,
        order.order_id,
        replay_id=uuid4(),
        after_seq=after_seq,
        kind=ReplayKind.CATCH_UP,
    )


@pytest.mark.parametrize("unsubscribes_from_everything", [True, False])
def test_connection_that_has_unsubscribed_is_not_caught_up(
    store: Store, unsubscribes_from_everything: bool
) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order, connection_id=connection_id)
    store.subscriptions.mark_behind([Missed(connection_id, order, sent_to=1)])
    assert caught_up(store, connection_id, order, after_seq=1) == Replay(after_seq=1, batched=False)
    assert caught_up(store, connection_id, changed(order, account_id="mallory"), after_seq=1) is None
    store.subscriptions.remove(connection_id, None if unsubscribes_from_everything else order.order_id)
    assert caught_up(store, connection_id, order, after_seq=1) is None
    assert subscriptions(store, order) == []


def test_catching_up_skips_nothing_that_was_asked_for_anew_meanwhile(store: Store) -> None:
    order, connection_id = an_order(), a_connection()
    store.created(order, connection_id=connection_id)
    store.subscriptions.mark_behind([Missed(connection_id, order, sent_to=2)])
    begin(store, connection_id, order)
    assert caught_up(store, connection_id, order, after_seq=2) == Replay(after_seq=0, batched=False)
    assert [each.replayed_to for each in subscriptions(store, order)] == [0]


def test_connection_whose_token_has_expired_is_not_caught_up(store: Store) -> None:
    order, expired, present = an_order(account_id=an_account()), a_connection(), a_connection()
    store.connected(expired, False, lasts=timedelta(0))
    store.connected(present, True, lasts=timedelta(hours=1))
    store.created(order, connection_id=expired)
    begin(store, present, order)
    assert caught_up(store, expired, order, after_seq=1) is None
    assert caught_up(store, present, order, after_seq=1) == Replay(after_seq=0, batched=True)


def test_connection_that_unsubscribed_before_it_missed_a_frame_is_not_subscribed_again(store: Store) -> None:
    order, other, connection_id = an_order(), an_order(), a_connection()
    store.created(order, connection_id=connection_id)
    store.created(other, connection_id=connection_id)
    store.subscriptions.remove(connection_id, order.order_id)
    store.subscriptions.mark_behind([Missed(connection_id, each, sent_to=1) for each in (order, other)])
    assert subscriptions(store, order) == []
    assert [each.live for each in subscriptions(store, other)] == [False]


def test_connection_that_unsubscribes_while_it_is_marked_behind_is_not_subscribed_again(
    contract_engine: Engine,
) -> None:
    store, order, connection_id = (
        on_postgres(contract_engine),
        an_order(account_id=an_account()),
        a_connection(),
    )
    store.created(order)
    store.subscriptions.subscribe_account(connection_id, order.account_id)
    store.subscriptions.remove(connection_id, order.order_id)
    with ThreadPoolExecutor(1) as executor, contract_engine.connect() as other:
        other.execute(text("DELETE FROM subscriptions WHERE connection_id = :id"), {"id": connection_id})
        missed = [Missed(connection_id, order, sent_to=1)]
        marked = executor.submit(store.subscriptions.mark_behind, missed)
        wait_for_waiting(other, 1)
        other.commit()
        marked.result()
    assert subscriptions(store, order) == []
