"""Accepting: durable before it is acknowledged, with or without the database."""

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import (
    Code,
    ConflictError,
    LimitExceededError,
    RetryableError,
    UnknownOutcomeError,
)
from chalicelib.domain.ids import client_order_uuid
from chalicelib.services.accepting import AcceptOrders
from chalicelib.services.limits import OrderLimits
from chalicelib.wire.queue_messages import FollowMessage, OrderMessage
from tests.fakes.orders import terms
from tests.fakes.outside import FakeKeys, FakeQueue, FrozenClock


class Door:
    """The use case with the fakes behind it."""

    def __init__(self, limits: OrderLimits | None = None) -> None:
        self.queue, self.keys = FakeQueue(), FakeKeys()
        self.accepting = AcceptOrders(self.queue, self.keys, FrozenClock(), limits)


@pytest.fixture
def door() -> Door:
    return Door()


def test_accepted_order_is_one_message_on_the_queue(door: Door) -> None:
    order = door.accepting.accept(terms(), "alice", connection_id="c=", request_id="r1")
    (message,) = door.queue.messages
    assert isinstance(message, OrderMessage)
    assert (message.order, message.connection_id, message.request_id) == (order, "c=", "r1")
    assert door.queue.sent[0].account_id == "alice"
    assert (order.valid_until - order.accepted_at).total_seconds() == 60


def test_order_of_a_connection_url_is_followed_once_the_connection_is_established(door: Door) -> None:
    order = door.accepting.accept(terms(), "alice", connection_id="c=", is_connecting=True)
    submitted, follow = door.queue.messages
    assert isinstance(submitted, OrderMessage)
    assert submitted.connection_id is None
    assert isinstance(follow, FollowMessage)
    assert (follow.order_id, follow.connection_id, follow.after_seq, follow.is_new) == (
        order.order_id, "c=", 0, True
    )  # fmt: skip


def test_order_is_not_accepted_if_the_queue_does_not_take_it(door: Door) -> None:
    door.queue.is_down = True
    with pytest.raises(RetryableError):
        door.accepting.accept(terms(), "alice")


@pytest.mark.parametrize("is_connecting", [True, False])
def test_order_that_the_queue_may_have_taken_is_of_unknown_outcome_and_named(
    door: Door, *, is_connecting: bool
) -> None:
    door.queue.is_mute = True
    with pytest.raises(UnknownOutcomeError) as unknown:
        door.accepting.accept(terms(), "alice", connection_id="c=", is_connecting=is_connecting)
    message = door.queue.messages[0]
    assert isinstance(message, OrderMessage)
    assert unknown.value.order_id == message.order.order_id
    assert unknown.value.code is Code.OUTCOME_UNKNOWN


def test_same_client_order_id_and_terms_lead_to_the_same_order(door: Door) -> None:
    wish = terms(client_order_id="mine")
    first, second = (door.accepting.accept(wish, "alice") for _ in range(2))
    assert first.order_id == second.order_id == client_order_uuid("alice", "mine")


def test_accounts_do_not_share_client_order_ids(door: Door) -> None:
    wish = terms(client_order_id="mine")
    assert door.accepting.accept(wish, "alice").order_id != door.accepting.accept(wish, "bob").order_id


def test_other_terms_under_a_client_order_id_are_refused_and_not_queued(door: Door) -> None:
    door.accepting.accept(terms(client_order_id="mine"), "alice")
    with pytest.raises(ConflictError) as refused:
        door.accepting.accept(terms(client_order_id="mine", amount_units=7), "alice")
    assert refused.value.code is Code.CLIENT_ORDER_ID_CONFLICT
    assert len(door.queue.sent) == 1


def test_order_is_accepted_while_the_database_is_down(door: Door) -> None:
    door.keys.is_down = True
    door.accepting.accept(terms(client_order_id="mine"), "alice")
    assert len(door.queue.sent) == 1


class ClosedDoor(OrderLimits):
    def __init__(self) -> None:
        """Admit nobody."""

    def admit(self, account_id: str) -> None:
        raise LimitExceededError(Code.RATE_LIMITED, account_id)


def test_order_beyond_a_limit_is_refused_and_not_queued() -> None:
    door = Door(ClosedDoor())
    with pytest.raises(LimitExceededError):
        door.accepting.accept(terms(), "alice")
    assert door.queue.sent == []


def test_acknowledgement_that_is_left_to_the_consumer_travels_with_the_order(door: Door) -> None:
    door.accepting.accept(terms(), "alice", connection_id="c=", request_id="r1", is_owed=True)
    (message,) = door.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.owed == Acknowledgement("c=", "r1")
