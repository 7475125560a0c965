"""What one connection says, or misses, changes nothing for another, in every ``Subscriptions``."""

from datetime import timedelta

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.subscriptions import EVERY_ORDER
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.subscription_ports import Missed
from tests.contract.records import Store, on_postgres
from tests.contract.test_open_orders import RESTING
from tests.contract.test_subscriptions import a_connection, an_account, begin, subscriptions
from tests.fakes.orders import an_order, changed


def test_unsubscribing_from_an_order_leaves_other_connections(store: Store) -> None:
    order, leaving, staying = an_order(), a_connection(), a_connection()
    store.created(order, connection_id=staying)
    assert not store.subscriptions.remove(leaving, order.order_id)
    assert [each.connection_id for each in subscriptions(store, order)] == [staying]


def test_connection_that_unsubscribed_is_not_subscribed_again_by_what_another_missed(store: Store) -> None:
    order, gone, staying = an_order(account_id=an_account()), a_connection(), a_connection()
    store.created(order, connection_id=gone)
    store.subscriptions.subscribe_account(staying, order.account_id)
    store.subscriptions.remove(gone, order.order_id)
    store.subscriptions.mark_behind([Missed(each, order, sent_to=1) for each in (gone, staying)])
    assert [(each.connection_id, each.live) for each in subscriptions(store, order)] == [(staying, False)]


def test_forgetting_a_connection_forgets_nothing_of_another(store: Store) -> None:
    order, gone, batching, expired = an_order(), *(a_connection() for _ in range(3))
    store.connected(batching, True)
    store.connected(expired, False, lasts=timedelta(0))
    store.created(order, connection_id=batching)
    begin(store, expired, order)
    store.subscriptions.forget([gone])
    found = [(each.connection_id, each.batched) for each in subscriptions(store, order)]
    assert found == [(batching, True)], "the token of the other one has expired still"


def test_order_that_rests_waits_for_its_replay_when_its_account_is_subscribed_to(store: Store) -> None:
    order, connection_id = changed(an_order(account_id=an_account()), **RESTING), a_connection()
    store.created(order, OrderStatus.PENDING, OrderStatus.OPEN)
    store.subscriptions.subscribe_account(connection_id, order.account_id)
    assert [each.live for each in subscriptions(store, order)] == [False]


def test_subscribing_to_an_account_notes_nothing_of_the_orders_of_another(contract_engine: Engine) -> None:
    store, connection_id = on_postgres(contract_engine), a_connection()
    own = an_order(account_id=an_account())
    for order in (own, an_order(account_id=an_account())):
        store.created(order)
    foreign = changed(an_order(account_id=an_account()), **RESTING)
    store.created(foreign, OrderStatus.PENDING, OrderStatus.OPEN)
    store.subscriptions.subscribe_account(connection_id, own.account_id)
    noted = text("SELECT order_id FROM subscriptions WHERE connection_id = :id")
    with contract_engine.connect() as connection:
        found = connection.execute(noted, {"id": connection_id}).scalars().all()
    assert set(found) == {EVERY_ORDER, own.order_id}
