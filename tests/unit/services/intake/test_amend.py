"""Amending: only what rests, only if nothing happened meanwhile, and its owner is told."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.amendments import Amendment
from chalicelib.domain.errors import Code, ConflictError, NotFoundError, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.progress import Subscription
from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.rates import Rate
from chalicelib.domain.statuses import OrderStatus
from chalicelib.services.intake.amend import AmendOrders
from chalicelib.services.mints import LearnMints
from tests.fakes.consumer import ConsumerOnFakes
from tests.fakes.inline import Unobserved
from tests.fakes.orders import an_order
from tests.fakes.subscriptions import MemorySubscriptions
from tests.unit.services.resting.test_watcher import a_limit_order


class OutOfReach(MemorySubscriptions):
    def of_orders(self, orders: Sequence[Order]) -> Sequence[Subscription]:
        raise RetryableError(f"no subscriptions of {len(orders)} orders")


class Desk:
    """An order that rests, and the use case."""

    def __init__(self) -> None:
        self.parts = parts = ConsumerOnFakes()
        self.order = a_limit_order()
        parts.execute(self.order)
        self.amend_orders = AmendOrders(
            parts.record,
            parts.publisher,
            Unobserved(),
            parts.queue,
            LearnMints(load_tokens()),
            parts.clock,
            lookup_wait_ms=0,
        )

    def amend(self, price: str = "220", if_seq: int | None = None, account_id: str = "alice") -> None:
        order_id = self.order.order_id
        self.amend_orders.amend(account_id, order_id, Amendment(price), if_seq=if_seq)


def test_amended_order_rests_on_at_its_new_price_and_its_owner_is_told() -> None:
    desk = Desk()
    desk.amend(if_seq=2)
    assert desk.parts.statuses(desk.order)[-2:] == (OrderStatus.OPEN, OrderStatus.OPEN)
    assert desk.parts.frames(desk.order)[-1]["amended"] == {"limitPrice": "220"}
    row = desk.parts.tables.watches.rows[desk.order.order_id]
    assert (row.watch.rate, row.fired) == (Rate.of(220, 1_000), None)
    state = desk.parts.tables.orders[desk.order.order_id].state
    assert state.published_seq == state.seq == 3


def test_order_that_has_fired_is_armed_again() -> None:
    desk = Desk()
    watches = desk.parts.tables.watches
    watches._fire(watches.rows[desk.order.order_id], "time", None)  # type: ignore[arg-type]
    desk.amend()
    assert watches.fired(desk.order.order_id) is None


def test_order_that_changed_meanwhile_stays_as_it_is() -> None:
    desk = Desk()
    with pytest.raises(ConflictError) as refused:
        desk.amend(if_seq=1)
    assert refused.value.code is Code.ORDER_CHANGED
    assert [problem.field for problem in refused.value.details] == ["ifSeq"]
    assert len(desk.parts.statuses(desk.order)) == 2


def test_owner_is_told_the_new_terms_as_the_order_shows_them() -> None:
    desk = Desk()
    changes = Amendment("0220.50", amount="2.0")
    desk.amend_orders.amend("alice", desk.order.order_id, changes)
    assert desk.parts.frames(desk.order)[-1]["amended"] == {"limitPrice": "220.5", "amount": "2"}


def test_order_that_is_executed_is_not_amended() -> None:
    desk = Desk()
    desk.order = an_order()
    desk.parts.execute(desk.order)
    with pytest.raises(ConflictError) as refused:
        desk.amend()
    assert refused.value.code is Code.ORDER_ALREADY_FINAL


def test_order_under_way_is_not_amended() -> None:
    desk = Desk()
    desk.order = an_order()
    desk.parts.chain.faults["view"] = ConnectionError()
    desk.parts.execute(desk.order)
    with pytest.raises(ConflictError) as refused:
        desk.amend()
    assert refused.value.code is Code.ORDER_ALREADY_SENT


def test_order_of_another_account_is_not_there() -> None:
    desk = Desk()
    with pytest.raises(NotFoundError):
        desk.amend(account_id="mallory")
    desk.order = a_limit_order()
    with pytest.raises(NotFoundError):
        desk.amend(account_id=str(uuid4()))


def test_what_cannot_be_published_is_left_to_a_consumer() -> None:
    desk = Desk()
    desk.parts.subscriptions.__class__ = OutOfReach
    desk.amend()
    assert desk.parts.queue.messages == [ResumeMessage(order_id=desk.order.order_id)]
