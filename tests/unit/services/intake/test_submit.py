"""Accepting: durable before it is acknowledged, with or without the database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.acknowledgement import Acknowledgement
from chalicelib.domain.errors import (
    Code,
    ConflictError,
    FieldError,
    LimitExceededError,
    RetryableError,
    UnknownOutcomeError,
)
from chalicelib.domain.ids import client_order_uuid
from chalicelib.domain.queue_messages import OrderMessage, SubscribeMessage
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.services.intake.limits import OrderLimits
from chalicelib.services.intake.submit import SubmitOrders
from tests.fakes.orders import terms
from tests.fakes.ports import FakeKeys, FakeQueue, FrozenClock


class Intake:
    """The use case with the fakes behind it."""

    def __init__(self, limits: OrderLimits | None = None) -> None:
        self.queue, self.keys, self.clock = FakeQueue(), FakeKeys(), FrozenClock()
        self.submit_orders = SubmitOrders(self.queue, self.keys, self.clock, limits)


@pytest.fixture
def intake() -> Intake:
    return Intake()


def test_accepted_order_is_one_message_on_the_queue(intake: Intake) -> None:
    order = intake.submit_orders.submit(terms(), "alice", connection_id="c=", request_id="r1")
    (message,) = intake.queue.messages
    assert isinstance(message, OrderMessage)
    assert (message.order, message.connection_id, message.request_id) == (order, "c=", "r1")
    assert intake.queue.sent[0].account_id == "alice"
    assert order.valid_until == order.accepted_at + timedelta(seconds=60)


def test_order_may_name_the_moment_or_no_end_at_all(intake: Intake) -> None:
    moment = intake.clock.now() + timedelta(days=3)
    limit = Limit("155", Rate.of(155, 1_000))
    waiting = replace(terms(), order_type=OrderType.LIMIT, slippage_bps=None, limit=limit, valid_for_s=None)
    until = replace(waiting, time_in_force=TimeInForce.GTD, expires_at=moment)
    assert intake.submit_orders.submit(until, "alice").valid_until == moment
    forever = replace(waiting, time_in_force=TimeInForce.GTC)
    assert intake.submit_orders.submit(forever, "alice").valid_until is None
    orders = [message.order for message in intake.queue.messages if isinstance(message, OrderMessage)]
    assert [order.terms for order in orders] == [until, forever]
    with pytest.raises(FieldError, match="expiresAt must be in the future"):
        intake.submit_orders.submit(replace(until, expires_at=intake.clock.now()), "alice")


def test_order_of_a_connection_url_is_subscribed_to_once_the_connection_is_established(
    intake: Intake,
) -> None:
    order = intake.submit_orders.submit(terms(), "alice", connection_id="c=", is_connecting=True)
    submitted, subscription = intake.queue.messages
    assert isinstance(submitted, OrderMessage)
    assert submitted.connection_id is None
    assert isinstance(subscription, SubscribeMessage)
    assert subscription.order_id == order.order_id
    assert (subscription.connection_id, subscription.after_seq, subscription.is_new) == ("c=", 0, True)


def test_order_is_not_accepted_if_the_queue_does_not_take_it(intake: Intake) -> None:
    intake.queue.is_down = True
    with pytest.raises(RetryableError):
        intake.submit_orders.submit(terms(), "alice")


@pytest.mark.parametrize("is_connecting", [True, False])
def test_order_that_the_queue_may_have_taken_is_of_unknown_outcome_and_named(
    intake: Intake, *, is_connecting: bool
) -> None:
    intake.queue.is_mute = True
    with pytest.raises(UnknownOutcomeError) as unknown:
        intake.submit_orders.submit(terms(), "alice", connection_id="c=", is_connecting=is_connecting)
    message = intake.queue.messages[0]
    assert isinstance(message, OrderMessage)
    assert unknown.value.order_id == message.order.order_id
    assert unknown.value.code is Code.OUTCOME_UNKNOWN


def test_same_client_order_id_and_terms_lead_to_the_same_order(intake: Intake) -> None:
    wish = terms(client_order_id="mine")
    first, second = (intake.submit_orders.submit(wish, "alice") for _ in range(2))
    assert first.order_id == second.order_id == client_order_uuid("alice", "mine")


def until(intake: Intake, **spans: int) -> OrderTerms:
    end = intake.clock.now() + timedelta(**spans)
    return replace(terms(client_order_id="mine"), valid_for_s=None, expires_at=end)


def test_order_is_the_same_again_past_the_end_that_it_names_and_only_then(intake: Intake) -> None:
    wish = until(intake, seconds=30)
    first = intake.submit_orders.submit(wish, "alice")
    intake.clock.sleep(31)
    again = intake.submit_orders.submit(wish, "alice")
    assert (again.order_id, again.content_sha256) == (first.order_id, first.content_sha256)
    assert again.valid_until == wish.expires_at
    assert again.is_late(intake.clock.now())
    for other, account_id in ((replace(wish, amount_units=7), "alice"), (wish, "bob")):
        with pytest.raises(FieldError, match="expiresAt must be in the future"):
            intake.submit_orders.submit(other, account_id)
    assert len(intake.queue.sent) == 2


def test_order_past_its_end_is_not_refused_for_good_while_the_record_cannot_tell_whether_it_is_known(
    intake: Intake,
) -> None:
    wish = until(intake, seconds=30)
    intake.submit_orders.submit(wish, "alice")
    intake.clock.sleep(30)
    intake.keys.is_down = True
    with pytest.raises(RetryableError):
        intake.submit_orders.submit(wish, "alice")


def test_accounts_do_not_share_client_order_ids(intake: Intake) -> None:
    wish = terms(client_order_id="mine")
    assert (
        intake.submit_orders.submit(wish, "alice").order_id
        != intake.submit_orders.submit(wish, "bob").order_id
    )


def test_other_terms_under_a_client_order_id_are_refused_and_not_queued(intake: Intake) -> None:
    intake.submit_orders.submit(terms(client_order_id="mine"), "alice")
    with pytest.raises(ConflictError) as refused:
        intake.submit_orders.submit(terms(client_order_id="mine", amount_units=7), "alice")
    assert refused.value.code is Code.CLIENT_ORDER_ID_CONFLICT
    assert len(intake.queue.sent) == 1


def test_order_is_accepted_while_the_database_is_down(intake: Intake) -> None:
    intake.keys.is_down = True
    intake.submit_orders.submit(terms(client_order_id="mine"), "alice")
    assert len(intake.queue.sent) == 1


class NoneAdmitted(OrderLimits):
    def __init__(self, code: Code) -> None:
        """Refuse every order."""
        self.code = code

    def admit(self, account_id: str, *, may_rest: bool = False) -> None:
        del may_rest
        raise LimitExceededError(self.code, account_id)


def test_order_beyond_a_limit_is_refused_and_not_queued() -> None:
    intake = Intake(NoneAdmitted(Code.TOO_MANY_OPEN_ORDERS))
    for wish in (terms(), terms(client_order_id="mine")):
        with pytest.raises(LimitExceededError):
            intake.submit_orders.submit(wish, "alice")
    assert intake.queue.sent == []


def test_known_order_is_the_same_again_though_the_account_has_as_many_as_it_may() -> None:
    intake = Intake(NoneAdmitted(Code.TOO_MANY_RESTING_ORDERS))
    wish = terms(client_order_id="mine")
    intake.keys.reserve("alice", "mine", wish.sha256)
    assert intake.submit_orders.submit(wish, "alice").order_id == client_order_uuid("alice", "mine")
    for other, account_id in ((replace(wish, amount_units=7), "alice"), (wish, "bob")):
        with pytest.raises(LimitExceededError):
            intake.submit_orders.submit(other, account_id)
    assert len(intake.queue.sent) == 1
    intake.keys.is_down = True
    with pytest.raises(RetryableError):
        intake.submit_orders.submit(wish, "alice")


def test_known_order_keeps_to_the_pace_of_its_account() -> None:
    intake = Intake(NoneAdmitted(Code.RATE_LIMITED))
    wish = terms(client_order_id="mine")
    intake.keys.reserve("alice", "mine", wish.sha256)
    with pytest.raises(LimitExceededError):
        intake.submit_orders.submit(wish, "alice")


def test_acknowledgement_that_is_left_to_the_consumer_travels_with_the_order(intake: Intake) -> None:
    intake.submit_orders.submit(
        terms(), "alice", connection_id="c=", request_id="r1", is_acknowledgement_deferred=True
    )
    (message,) = intake.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.deferred_acknowledgement == Acknowledgement("c=", "r1")
