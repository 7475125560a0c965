"""What every record of an account's unfinished orders promises."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chalicelib.domain.errors import Code
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import ClaimedOrder
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType, TimeInForce
from chalicelib.services.intake.cancel_all import Unfinished
from tests.contract.records import Store, next_transition
from tests.fakes.orders import LIFE, NOON, an_order, changed

ALL = OrderFilter()
RESTING: dict[str, Any] = {
    "order_type": OrderType.LIMIT,
    "limit": Limit("155", Rate.of(155, 1_000)),
    "slippage_bps": None,
    "valid_for_s": None,
    "time_in_force": TimeInForce.GTC,
    "valid_until": None,
}


def open_order(store: Store, account_id: str, **terms: Any) -> UUID:
    order = changed(an_order(account_id=account_id), **RESTING, **terms)
    return store.created(order, OrderStatus.PENDING, OrderStatus.OPEN).state.order.order_id


def waiting_order(store: Store, account_id: str, **terms: Any) -> UUID:
    return store.created(changed(an_order(account_id=account_id), **terms)).state.order.order_id


def canceled(store: Store, account_id: str, wanted: OrderFilter = ALL, limit: int = 100) -> set[UUID]:
    ended = store.open_orders.cancel_some(account_id, wanted, NOON, limit=limit)
    return {order.order_id for order, _, _ in ended}


@pytest.fixture
def account_id() -> str:
    return f"account-{uuid4()}"


def test_every_order_that_is_not_sent_is_ended_by_an_event(store: Store, account_id: str) -> None:
    waiting = store.created(an_order(account_id=account_id)).state.order
    resting = open_order(store, account_id)
    ended = store.open_orders.cancel_some(account_id, ALL, NOON, limit=100)
    assert {each.order.order_id for each in ended} == {waiting.order_id, resting}
    assert [(each.event.seq, each.event.status, each.event.at) for each in ended] == [
        (3, OrderStatus.CANCELED, NOON)
    ] * 2
    assert [each.published_seq for each in ended] == [0, 0]
    assert store.seqs(waiting.order_id) == [1, 2, 3]
    state = store.record.state(account_id, waiting.order_id)
    assert state is not None
    assert state.status is OrderStatus.CANCELED
    assert canceled(store, account_id) == set()


def test_order_that_was_sent_is_named_and_left_alone(store: Store, account_id: str) -> None:
    sent = store.moved(store.created(an_order(account_id=account_id)), *LIFE[2:5]).state.order.order_id
    open_order(store, account_id)
    store.moved(store.created(an_order(account_id=account_id)), *LIFE[2:])
    assert len(canceled(store, account_id)) == 1
    left = store.open_orders.unfinished(account_id, ALL, limit=100)
    assert (left.already_sent, left.cancelable) == ([sent], 0)


def test_order_that_was_sent_and_is_routed_again_is_named_and_left_alone(
    store: Store, account_id: str
) -> None:
    sent = store.moved(store.created(an_order(account_id=account_id)), *LIFE[2:5])
    assert store.record.record([next_transition(sent, OrderStatus.ROUTING, outcome="dead")], lease_ms=0)
    assert canceled(store, account_id) == set()
    left = store.open_orders.unfinished(account_id, ALL, limit=100)
    assert (left.already_sent, left.cancelable) == ([sent.state.order.order_id], 0)


def test_no_other_account_loses_an_order(store: Store, account_id: str) -> None:
    theirs = open_order(store, account_id)
    assert canceled(store, "mallory") == set()
    assert store.open_orders.unfinished("mallory", ALL, limit=100).already_sent == []
    assert canceled(store, account_id) == {theirs}


def test_look_ends_at_most_as_many_as_it_may(store: Store, account_id: str) -> None:
    for _ in range(5):
        open_order(store, account_id)
    assert len(canceled(store, account_id, limit=2)) == 2
    assert store.open_orders.unfinished(account_id, ALL, limit=100).cancelable == 3
    assert store.open_orders.unfinished(account_id, ALL, limit=1).cancelable == 1


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        (ALL, "sell buy tokens other limit"),
        (OrderFilter(base="SOL", quote="USDC"), "sell buy tokens limit"),
        (OrderFilter(base="USDC", quote="SOL"), "sell buy tokens limit"),
        (OrderFilter(base="SOL", quote="JUP"), "other"),
        (OrderFilter(base="JUP", quote="USDC"), ""),
        (OrderFilter(base="SOL"), "sell buy limit"),
        (OrderFilter(base="USDC"), "tokens"),
        (OrderFilter(quote="SOL"), "tokens other"),
        (OrderFilter(quote="JUP"), ""),
        (OrderFilter(types=(OrderType.LIMIT,)), "limit"),
        (OrderFilter(base="JUP", types=(OrderType.MARKET, OrderType.SNIPER)), "other"),
        (OrderFilter(base="JUP", types=(OrderType.LIMIT,)), ""),
    ],
)
def test_filter_spares_what_it_does_not_mean(
    store: Store, account_id: str, wanted: OrderFilter, meant: str
) -> None:
    orders = {
        "sell": waiting_order(store, account_id),
        "buy": waiting_order(
            store, account_id, input_token="USDC", output_token="SOL", swap_mode=SwapMode.EXACT_OUT
        ),
        "tokens": waiting_order(store, account_id, input_token="USDC", output_token="SOL", price_base="USDC"),
        "other": waiting_order(store, account_id, input_token="SOL", output_token="JUP", price_base="JUP"),
        "limit": open_order(store, account_id),
    }
    assert store.open_orders.unfinished(account_id, wanted, limit=9) == Unfinished([], len(meant.split()))
    assert canceled(store, account_id, wanted) == {orders[name] for name in meant.split()}


def test_order_that_somebody_writes_at_this_moment_is_left_for_later(
    store: Store, account_id: str, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["store"] == "memory":
        pytest.skip("in memory nothing happens at the same moment")
    held, free = open_order(store, account_id), open_order(store, account_id)
    engine = request.getfixturevalue("contract_engine")
    with engine.begin() as connection:
        connection.execute(
            text("SELECT FROM orders WHERE order_id = CAST(:held AS uuid) FOR UPDATE"), {"held": str(held)}
        )
        assert canceled(store, account_id) == {free}
        assert store.open_orders.unfinished(account_id, ALL, limit=9).cancelable == 1
    assert canceled(store, account_id) == {held}


def submitted_before(store: Store, account_id: str, **terms: Any) -> ClaimedOrder:
    """Put an order on record whose message was in the queue while all orders were canceled."""
    return store.created(changed(an_order(account_id=account_id), **terms))


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        (ALL, True),
        (OrderFilter(base="SOL", quote="USDC"), True),
        (OrderFilter(base="SOL"), True),
        (OrderFilter(quote="USDC"), True),
        (OrderFilter(types=(OrderType.MARKET, OrderType.SNIPER)), True),
        (OrderFilter(base="SOL", quote="JUP"), False),
        (OrderFilter(base="JUP", quote="USDC"), False),
        (OrderFilter(base="JUP"), False),
        (OrderFilter(quote="SOL"), False),
        (OrderFilter(quote="JUP"), False),
        (OrderFilter(types=(OrderType.LIMIT,)), False),
    ],
)
def test_order_that_was_in_the_queue_when_all_were_canceled_goes_no_further(
    store: Store, account_id: str, wanted: OrderFilter, meant: bool
) -> None:
    store.open_orders.mark(account_id, wanted, NOON)
    claimed = submitted_before(store, account_id)
    order_id = claimed.state.order.order_id
    step = next_transition(claimed, OrderStatus.ROUTED, OrderStatus.BUILDING, OrderStatus.SUBMITTED)
    assert meant or store.record.cancel_covered([order_id], NOON) == []
    assert store.record.record([step], lease_ms=0) == (frozenset() if meant else {order_id})
    ended = store.record.cancel_covered([order_id], NOON)
    assert [(order.order_id, event.seq, event.status) for order, event in ended] == (
        [(order_id, 3, OrderStatus.CANCELED)] if meant else []
    )
    if meant:
        assert store.seqs(order_id) == [1, 2, 3]
        assert store.record.record([step], lease_ms=0) == frozenset()
        assert store.record.cancel_covered([order_id], NOON) == []


def test_order_in_the_queue_when_all_were_canceled_does_not_come_on_record_with_its_transaction(
    store: Store, account_id: str
) -> None:
    store.open_orders.mark(account_id, OrderFilter(base="SOL"), NOON)
    meant = an_order(account_id=account_id)
    later = replace(an_order(account_id=account_id), accepted_at=NOON + timedelta(seconds=1))
    assert store.begun(meant, later).keys() == {later.order_id}
    assert store.record.state(account_id, meant.order_id) is None


def test_mark_covers_neither_a_later_order_nor_another_account_nor_one_that_was_sent_or_rests(
    store: Store, account_id: str
) -> None:
    def goes_on(order: Order, *statuses: OrderStatus) -> bool:
        claimed = store.created(order, *(statuses or (OrderStatus.PENDING,)))
        store.open_orders.mark(account_id, ALL, NOON)
        assert store.record.cancel_covered([order.order_id], NOON) == []
        return bool(store.record.record([next_transition(claimed, OrderStatus.ROUTING)], lease_ms=0))

    later = an_order(account_id=account_id)
    assert goes_on(replace(later, accepted_at=NOON + timedelta(microseconds=1)))
    assert goes_on(an_order(account_id=f"{account_id}-other"))
    assert goes_on(changed(an_order(account_id=account_id), **RESTING), OrderStatus.PENDING, OrderStatus.OPEN)
    early = an_order(account_id=f"{account_id}-sent")
    sent = store.moved(store.created(early), *LIFE[2:5])
    store.open_orders.mark(early.account_id, ALL, NOON)
    assert store.moved(sent, OrderStatus.CONFIRMED).state.is_final


def test_mark_does_not_cover_an_order_that_was_sent_and_is_routed_again(
    store: Store, account_id: str
) -> None:
    sent = store.moved(store.created(an_order(account_id=account_id)), *LIFE[2:5])
    dead = next_transition(sent, OrderStatus.ROUTING, outcome="dead")
    assert store.record.record([dead], lease_ms=0)
    store.open_orders.mark(account_id, ALL, NOON)
    order_id = sent.state.order.order_id
    assert store.record.cancel_covered([order_id], NOON) == []
    again = next_transition(ClaimedOrder(dead.state, sent.fence), OrderStatus.ROUTED)
    assert store.record.record([again], lease_ms=0) == {order_id}


def test_mark_stays_when_the_account_cancels_others_after_it(store: Store, account_id: str) -> None:
    claimed = submitted_before(store, account_id)
    store.open_orders.mark(account_id, OrderFilter(base="SOL"), NOON - timedelta(days=20))
    store.open_orders.mark(account_id, OrderFilter(base="SOL"), NOON)
    store.open_orders.mark(account_id, OrderFilter(base="JUP"), NOON + timedelta(days=1))
    store.open_orders.mark("mallory", ALL, NOON + timedelta(days=1))
    assert len(store.record.cancel_covered([claimed.state.order.order_id], NOON)) == 1


def test_order_that_all_cancels_cover_may_still_end_for_a_reason_of_its_own(
    store: Store, account_id: str
) -> None:
    claimed = submitted_before(store, account_id)
    store.open_orders.mark(account_id, ALL, NOON)
    end = replace(next_transition(claimed, OrderStatus.FAILED), failure_code=Code.NO_ROUTE)
    assert store.record.record([end], lease_ms=0)


def test_later_mark_stays_when_an_earlier_one_comes_after_it(store: Store, account_id: str) -> None:
    claimed = submitted_before(store, account_id)
    store.open_orders.mark(account_id, ALL, NOON)
    store.open_orders.mark(account_id, ALL, NOON - timedelta(days=1))
    assert len(store.record.cancel_covered([claimed.state.order.order_id], NOON)) == 1
