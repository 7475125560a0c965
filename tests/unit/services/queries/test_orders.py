"""Reading: pages, cursors and what is refused of them."""

from datetime import timedelta

import pytest

from chalicelib.domain.errors import FieldError, NotFoundError
from chalicelib.services.queries.orders import ReadOrders
from tests.contract.records import Store, in_memory
from tests.fakes.orders import LIFE, NOON, an_order
from tests.fakes.ports import FrozenClock


def read_orders(store: Store) -> ReadOrders:
    return ReadOrders(store.queries, FrozenClock(), lookup_wait_ms=100, page_size_max=10)


def test_order_is_read_with_its_last_event() -> None:
    store = in_memory()
    claimed = store.moved(store.created(an_order(client_order_id="mine")), *LIFE[2:])
    view = read_orders(store).order("alice", claimed.state.order.order_id)
    assert (view.state, view.last_event.seq) == (claimed.state, 6)


def test_events_are_read_after_the_one_named() -> None:
    store = in_memory()
    claimed = store.created(an_order())
    order, events = read_orders(store).events("alice", claimed.state.order.order_id, after_seq=1)
    assert order == claimed.state.order
    assert [event.seq for event in events] == [2]


def test_unknown_order_is_not_found_after_a_short_wait() -> None:
    with pytest.raises(NotFoundError):
        read_orders(in_memory()).order("alice", an_order().order_id)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10])
def test_pages_show_an_accounts_orders_once_each_the_newest_first(size: int) -> None:
    store = in_memory()
    mine = [store.created(an_order(accepted_at=NOON + timedelta(seconds=each))) for each in range(4)]
    theirs = store.created(an_order(account_id="bob")).state.order.order_id
    reads, seen, cursor = read_orders(store), [], None
    for _ in range(-(-4 // size)):
        page = reads.orders("alice", status=None, limit=size, cursor=cursor)
        seen += [view.state.order.order_id for view in page.views]
        assert len(page.views) <= size
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [claimed.state.order.order_id for claimed in reversed(mine)]
    for ask in (reads.order, lambda *of: reads.events(*of, after_seq=0)):
        with pytest.raises(NotFoundError):
            ask("alice", theirs)


@pytest.mark.parametrize("limit", [0, -1, 11])
def test_limit_out_of_bounds_is_refused(limit: int) -> None:
    with pytest.raises(FieldError, match="limit must be at"):
        read_orders(in_memory()).orders("alice", status=None, limit=limit, cursor=None)


def test_cursor_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(FieldError, match="cursor must be a nextCursor of an earlier page"):
        read_orders(in_memory()).orders("alice", status=None, limit=None, cursor="zzz")
