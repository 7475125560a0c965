"""Values on their way in and out."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from orderflow_client.errors import ProtocolError
from orderflow_client.models import Fee, OrderEventFrame, OrderStatus, Side
from orderflow_client.wire import to_wire


def test_amounts_leave_as_decimal_text_without_an_exponent() -> None:
    wire = to_wire({"amount": Decimal("1E-9"), "limit_price": Decimal("150.10"), "slippage_bps": 50})
    assert wire == {"amount": "0.000000001", "limitPrice": "150.10", "slippageBps": 50}


def test_names_times_and_nested_requests_leave_as_the_contract_has_them() -> None:
    at = datetime(2026, 12, 4, 2, tzinfo=timezone(timedelta(hours=2)))
    wire = to_wire(
        {"side": Side.BUY, "expires_at": at, "trigger": {"if_already_met": "refuse"}, "client_order_id": None}
    )
    assert wire == {
        "side": "buy",
        "expiresAt": "2026-12-04T00:00:00.000Z",
        "trigger": {"ifAlreadyMet": "refuse"},
    }


@pytest.mark.parametrize(
    ("value", "kind", "problem"),
    [
        (0.1, TypeError, "amount must not be a float"),
        (Decimal("NaN"), ValueError, "finite"),
        (datetime(2026, 1, 1), ValueError, "time zone"),  # noqa: DTZ001  # that is what is refused
        (object(), TypeError, "must not be of type object"),
        pytest.param("half \ud83d", ValueError, "amount is nothing that JSON carries", id="half"),
        pytest.param(10**5_000, ValueError, "amount is nothing that JSON carries", id="endless"),
    ],
)
def test_value_that_is_not_exact_or_means_nothing_is_refused(
    value: object, kind: type[Exception], problem: str
) -> None:
    with pytest.raises(kind, match=problem):
        to_wire({"amount": value})


EVENT = {"type": "order", "orderId": "o", "clientOrderId": None, "seq": 1, "status": "pending", "attempt": 1}
AT = {"at": "2026-11-21T08:30:00.000Z"}


def test_amounts_come_in_digit_for_digit_and_times_with_their_zone() -> None:
    event = OrderEventFrame.from_wire({**EVENT, **AT, "outputAmount": "224852.905446000000000001"})
    assert str(event.output_amount) == "224852.905446000000000001"
    assert event.at == datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
    assert event.status is OrderStatus.PENDING


def test_newer_engine_is_understood_as_far_as_this_version_knows_it() -> None:
    event = OrderEventFrame.from_wire({**EVENT, **AT, "status": "teleported", "observedPrice": "1"})
    assert event.status == "teleported"
    assert event.raw["observedPrice"] == "1"


@pytest.mark.parametrize(
    "members", [{}, {"token": "SOL"}, {"token": 1, "amount": "1"}, {"token": "SOL", "amount": 1.5}]
)
def test_answer_that_breaks_the_schema_is_a_protocol_error(members: dict[str, object]) -> None:
    with pytest.raises(ProtocolError, match="the answer"):
        Fee.from_wire(members)


def test_time_that_no_clock_can_show_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="the answer's at is not what the schema says"):
        OrderEventFrame.from_wire({**EVENT, "at": "0001-01-01T00:00:00+14:00"})
