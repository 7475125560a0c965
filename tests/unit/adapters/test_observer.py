"""What operators find in the lines of an order, and what no line says again."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chalicelib.adapters.observer import PowertoolsObserver
from chalicelib.domain.orders import JsonObject, OrderEvent
from chalicelib.domain.statuses import OrderStatus
from tests.fakes.orders import LIFE, NOON, an_order

ORDER = an_order(account_id="alice")
SIGNATURE = "5x"


def an_event(
    seq: int, status: OrderStatus, *, attempt: int = 1, data: JsonObject | None = None
) -> OrderEvent:
    return OrderEvent(ORDER.order_id, seq, status, attempt, NOON, data or {})


@pytest.fixture
def observer() -> Iterator[PowertoolsObserver]:
    observer = PowertoolsObserver()
    yield observer
    # Metrics belong to the process, not to who gathered them.
    observer.flush()


def lines_of(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str], events: Sequence[OrderEvent]
) -> list[dict[str, Any]]:
    observer.saw([(ORDER, events)], {ORDER.order_id: "request-1"})
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_event_is_a_line_that_names_order_and_status(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [an_event(seq, status) for seq, status in enumerate(LIFE, start=1)]
    lines = lines_of(observer, capsys, events)
    assert {(line["message"], line["order_id"]) for line in lines} == {("order event", str(ORDER.order_id))}
    assert [(line["seq"], line["order_status"]) for line in lines] == list(enumerate(LIFE, start=1))


def test_what_an_order_never_changes_stands_in_its_first_line_alone(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    unchanging = {"pair": "SOL->USDC", "correlation_id": "request-1"}
    first, second = lines_of(
        observer, capsys, [an_event(1, OrderStatus.PENDING), an_event(2, OrderStatus.ROUTING)]
    )
    assert first.items() >= unchanging.items()
    assert not unchanging.keys() & second.keys()


def test_no_line_says_whose_order_it_is(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [an_event(seq, status) for seq, status in enumerate(LIFE, start=1)]
    assert not [line for line in lines_of(observer, capsys, events) if "alice" in line.values()]


def test_transaction_stands_in_the_line_of_its_sending_and_its_output_in_that_of_its_confirmation(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"txSignature": SIGNATURE, "outputAmount": "225", "slot": 28}
    submitted, confirmed = lines_of(
        observer,
        capsys,
        [
            an_event(5, OrderStatus.SUBMITTED, data={"txSignature": SIGNATURE}),
            an_event(6, OrderStatus.CONFIRMED, data=data),
        ],
    )
    assert submitted["txSignature"] == SIGNATURE
    assert "txSignature" not in confirmed
    assert confirmed["outputAmount"] == "225"


def test_retry_tells_its_attempt_and_a_failure_its_reason(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, failed = lines_of(
        observer,
        capsys,
        [
            an_event(2, OrderStatus.ROUTING),
            an_event(6, OrderStatus.ROUTING, attempt=2, data={"reason": "expired"}),
            an_event(9, OrderStatus.FAILED, attempt=2, data={"code": "NO_ROUTE", "message": "none"}),
        ],
    )
    assert "attempt" not in first
    assert (again["attempt"], again["reason"]) == (2, "expired")
    assert (failed["attempt"], failed["code"]) == (2, "NO_ROUTE")


def test_metrics_leave_once_with_the_order_that_ended(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    lines_of(observer, capsys, [an_event(6, OrderStatus.CONFIRMED)])
    observer.flush()
    (line,) = capsys.readouterr().out.splitlines()
    metrics = json.loads(line)
    assert (metrics["OrdersConfirmed"], metrics["TimeToFinal"]) == ([1.0], [0.0])
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Orderflow"
    observer.flush()
    assert capsys.readouterr().out == ""


def test_orders_that_ended_together_are_counted_by_status_and_timed_each(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = [
        an_event(6, OrderStatus.CONFIRMED),
        an_event(6, OrderStatus.CONFIRMED),
        an_event(4, OrderStatus.FAILED, data={"code": "NO_ROUTE"}),
    ]
    observer.saw([(ORDER, [end]) for end in ends] + [(ORDER, [an_event(2, OrderStatus.ROUTING)])], {})
    capsys.readouterr()
    observer.flush()
    metrics = json.loads(capsys.readouterr().out)
    assert (sum(metrics["OrdersConfirmed"]), sum(metrics["OrdersFailed"])) == (2, 1)
    assert metrics["TimeToFinal"] == [0.0] * 3
