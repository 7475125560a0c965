"""What operators find in the lines of an order, and what no line says again."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chalicelib.adapters.observer import PowertoolsObserver
from chalicelib.domain.errors import Code
from chalicelib.domain.events import (
    Building,
    Confirmed,
    Failed,
    Happened,
    Open,
    OrderEvent,
    Pending,
    Routing,
    Submitted,
    Triggered,
)
from chalicelib.domain.rates import Limit, Rate
from chalicelib.domain.triggers import Direction, IfAlreadyMet, PriceSource, Trigger, When
from tests.fakes.orders import NOON, VIEWS, an_order, changed

ORDER = an_order(account_id="alice")
SIGNATURE = "5x"


FILL = Confirmed(SIGNATURE, 28, "SOL", "USDC", "SOL", 10**9, 225 * 10**6, {}, "0.00", "0.00")


def an_event(seq: int, what: Happened, *, attempt: int = 1) -> OrderEvent:
    return OrderEvent(ORDER.order_id, seq, attempt, NOON, what)


def life() -> list[OrderEvent]:
    happened: tuple[Happened, ...] = (Pending(ORDER.terms), Routing(), Building(), Submitted(SIGNATURE), FILL)
    return [an_event(seq, what) for seq, what in enumerate(happened, start=1)]


@pytest.fixture
def observer() -> Iterator[PowertoolsObserver]:
    observer = PowertoolsObserver(VIEWS.routes, "dev")
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
    events = life()
    lines = lines_of(observer, capsys, events)
    assert {(line["message"], line["order_id"]) for line in lines} == {("order event", str(ORDER.order_id))}
    assert [(line["seq"], line["order_status"]) for line in lines] == [
        (event.seq, event.status) for event in events
    ]


def test_what_an_order_never_changes_stands_in_its_first_line_alone(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    unchanging = {"pair": "SOL->USDC", "correlation_id": "request-1"}
    first, second = lines_of(observer, capsys, life()[:2])
    assert first.items() >= unchanging.items()
    assert not unchanging.keys() & second.keys()


def test_no_line_says_whose_order_it_is(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    events = life()
    assert not [line for line in lines_of(observer, capsys, events) if "alice" in line.values()]


def test_transaction_stands_in_the_line_of_its_sending_and_what_it_swapped_in_that_of_its_confirmation(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    *_, submitted, confirmed = lines_of(observer, capsys, life())
    assert submitted["txSignature"] == SIGNATURE
    assert "txSignature" not in confirmed
    assert confirmed["swap"] == "1 SOL → 225 USDC"


def test_retry_tells_its_attempt_and_a_failure_its_reason(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, failed = lines_of(
        observer,
        capsys,
        [
            an_event(2, Routing()),
            an_event(6, Routing("expired"), attempt=2),
            an_event(9, Failed(Code.NO_ROUTE, "none", 2), attempt=2),
        ],
    )
    assert "attempt" not in first
    assert (again["attempt"], again["reason"]) == (2, "expired")
    assert (failed["attempt"], failed["code"]) == (2, "NO_ROUTE")


def test_order_that_rests_says_what_it_waits_for_and_one_that_fired_what_was_seen(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = Rate(148 * 10**6, 10**9)
    trigger = Trigger(
        "150",
        When.BELOW,
        Rate(150 * 10**6, 10**9),
        Direction.AT_MOST,
        PriceSource.MARK,
        2,
        IfAlreadyMet.REFUSE,
    )
    limit = Limit("140", Rate(140 * 10**6, 10**9))
    resting = changed(ORDER, trigger=trigger, limit=limit)
    seen = Triggered(rate, PriceSource.MARK, 28, 2, "150", "SOL", "USDC", "SOL")
    events = [
        an_event(2, Open(amended={"limitPrice": "140"})),
        an_event(3, seen),
        an_event(9, Open("SLIPPAGE")),
    ]
    observer.saw([(resting, events)], {})
    opened, triggered, again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (opened["limitPrice"], opened["triggerPrice"], opened["amended"]) == ("140", "150", ["limitPrice"])
    assert (triggered["observedPrice"], triggered["triggerPrice"]) == ("148", "150")
    assert again["reason"] == "SLIPPAGE"


def test_price_in_a_token_that_is_not_known_any_more_is_left_out(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Triggered(Rate(1, 1), PriceSource.MARK, 28, 2, "150", "SOL", "GONE", "SOL")
    (line,) = lines_of(observer, capsys, [an_event(3, seen)])
    assert line["triggerPrice"] == "150"
    assert "observedPrice" not in line


def test_metrics_leave_once_with_the_order_that_ended(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    lines_of(observer, capsys, [an_event(6, FILL)])
    observer.flush()
    (line,) = capsys.readouterr().out.splitlines()
    metrics = json.loads(line)
    assert (metrics["OrdersConfirmed"], metrics["TimeToFinal"]) == ([1.0], [0.0])
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Orderflow/dev"
    observer.flush()
    assert capsys.readouterr().out == ""


def test_orders_that_ended_together_are_counted_by_status_and_timed_each(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = [
        an_event(6, FILL),
        an_event(6, FILL),
        an_event(4, Failed(Code.NO_ROUTE, "none", 1)),
    ]
    observer.saw([(ORDER, [end]) for end in ends] + [(ORDER, [an_event(2, Routing())])], {})
    capsys.readouterr()
    observer.flush()
    metrics = json.loads(capsys.readouterr().out)
    assert (sum(metrics["OrdersConfirmed"]), sum(metrics["OrdersFailed"])) == (2, 1)
    assert metrics["TimeToFinal"] == [0.0] * 3


def test_orders_that_fail_while_none_is_confirmed_say_so_to_the_alarm_that_compares_them(
    observer: PowertoolsObserver, capsys: pytest.CaptureFixture[str]
) -> None:
    observer.saw([(ORDER, [an_event(4, Failed(Code.NO_ROUTE, "none", 1))])], {})
    capsys.readouterr()
    observer.flush()
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["OrdersFailed"], metrics["OrdersConfirmed"]) == ([1.0], [0.0])
