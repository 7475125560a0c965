"""What is advised of a dead letter that was resolved."""

import pytest

from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.services.queries.operations import why_no_redrive
from tests.fakes.operations import a_letter


@pytest.mark.parametrize("status", OrderStatus)
def test_letter_of_a_final_order_is_never_to_be_sent_again(status: OrderStatus) -> None:
    why = why_no_redrive(a_letter(status=status))
    assert ("final" in why) is (status in FINAL)
    assert ("sweep" in why) is (status not in FINAL)


def test_letter_without_an_order_has_nothing_to_be_sent_again_for() -> None:
    assert "no order on record" in why_no_redrive(a_letter())
