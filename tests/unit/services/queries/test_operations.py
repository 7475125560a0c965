"""What is advised of a dead letter that was resolved."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from chalicelib.domain.queue_messages import (
    FiredMessage,
    Message,
    OrderMessage,
    ResumeMessage,
    SubscribeMessage,
)
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.services.queries.operations import why_no_redrive
from tests.fakes.operations import a_letter
from tests.fakes.orders import an_order


@pytest.mark.parametrize("status", OrderStatus)
def test_letter_of_an_order_on_record_is_never_to_be_sent_again(status: OrderStatus) -> None:
    why = why_no_redrive(a_letter(status=status, message=OrderMessage(order=an_order())))
    assert why is not None
    assert ("final" in why) is (status in FINAL)
    assert ("rests" in why) is (status is OrderStatus.OPEN)
    assert ("sweep" in why) is (status not in FINAL | {OrderStatus.OPEN})


def test_accepted_order_that_is_not_on_record_may_be_sent_again() -> None:
    assert why_no_redrive(a_letter(message=OrderMessage(order=an_order()))) is None


def test_accepted_order_that_the_record_may_have_forgotten_is_not_to_be_sent_again() -> None:
    """It may have executed, and would execute again."""
    order = an_order()
    found = a_letter(message=OrderMessage(order=order))
    just_before = replace(found, forgotten_before=order.accepted_at)
    assert why_no_redrive(just_before) is None
    after = replace(found, forgotten_before=order.accepted_at + timedelta(microseconds=1))
    assert "may have forgotten" in (why_no_redrive(after) or "")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (ResumeMessage(order_id=uuid4()), "does not hold the order"),
        (FiredMessage(order_id=uuid4(), firing=1), "does not hold the order"),
        (
            SubscribeMessage(connection_id="c=", account_id="alice", order_id=uuid4(), after_seq=0),
            "subscribes again",
        ),
        (None, "This release cannot read it ("),
    ],
)
def test_letter_without_an_order_is_not_to_be_sent_again(message: Message | None, why: str) -> None:
    letter = a_letter(message=message)
    assert why in (why_no_redrive(letter) or "")
