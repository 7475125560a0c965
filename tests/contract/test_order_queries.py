"""What every ``OrderQueries`` promises."""

from datetime import timedelta
from uuid import uuid4

from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.ports import EventSpan
from tests.contract.records import Store
from tests.fakes.orders import LIFE, NOON, VIEWS, an_order


def test_order_is_found_with_its_last_event(store: Store) -> None:
    claimed = store.moved(
        store.created(an_order(account_id="alice", client_order_id=str(uuid4()))), *LIFE[2:5]
    )
    view = store.queries.find("alice", claimed.state.order.order_id)
    assert view is not None
    assert view.state == claimed.state
    assert view.last_event == store.queries.events_after(view.state.order.order_id, 4, limit=9)[0]
    assert VIEWS.fields(view.last_event) == {}


def test_order_is_found_by_its_own_account_alone(store: Store) -> None:
    claimed = store.created(an_order(account_id="alice"))
    assert store.queries.find("mallory", claimed.state.order.order_id) is None
    assert store.queries.find("alice", uuid4()) is None


def test_events_come_in_order_after_the_one_named_and_as_many_as_asked(store: Store) -> None:
    order_id = store.moved(store.created(an_order()), *LIFE[2:]).state.order.order_id
    assert [event.seq for event in store.queries.events_after(order_id, 2, limit=3)] == [3, 4, 5]
    assert store.queries.events_after(order_id, 6, limit=3) == []


def test_events_of_several_orders_are_each_orders_own_span(store: Store) -> None:
    first, second, other = (store.moved(store.created(an_order()), *LIFE[2:]).state.order for _ in range(3))
    spans = [EventSpan(first.order_id, 1, 3), EventSpan(uuid4(), 0, 9), EventSpan(second.order_id, 3, 9)]
    found = store.queries.events_of(spans, limit=2)
    assert {id_: [each.seq for each in events] for id_, events in found.items() if events} == {
        first.order_id: [2, 3],
        second.order_id: [4, 5],
    }
    assert found[first.order_id] == store.queries.events_after(first.order_id, 1, limit=2)
    assert other.order_id not in found
    (events,) = store.queries.events_of(spans[:1], limit=9).values()
    assert [each.seq for each in events] == [2, 3]


def test_largest_amount_survives_the_record(store: Store) -> None:
    order = an_order(amount_units=2**64 - 1)
    store.created(order)
    view = store.queries.find(order.account_id, order.order_id)
    assert view is not None
    assert view.state.order == order


def test_pages_hold_every_order_once_newest_first(store: Store) -> None:
    account_id = str(uuid4())
    moments = [NOON, NOON, NOON, NOON + timedelta(microseconds=1), NOON + timedelta(seconds=1)]
    orders = [an_order(account_id=account_id, accepted_at=at) for at in moments]
    for order in orders:
        store.created(order)
    listed: list[Order] = []
    before = None
    while (page := store.queries.page(account_id, status=None, limit=2, before=before)) and len(listed) < 9:
        assert len(page) <= 2
        listed += [view.state.order for view in page]
        before = (listed[-1].accepted_at, listed[-1].order_id)
    assert listed == sorted(orders, key=lambda order: (order.accepted_at, order.order_id), reverse=True)


def test_page_holds_one_status_if_asked(store: Store) -> None:
    account_id = str(uuid4())
    done = store.moved(store.created(an_order(account_id=account_id)), *LIFE[2:])
    store.created(an_order(account_id=account_id))
    page = store.queries.page(account_id, status=OrderStatus.CONFIRMED, limit=9, before=None)
    assert [view.state for view in page] == [done.state]
    assert store.queries.page(account_id, status=OrderStatus.FAILED, limit=9, before=None) == []
