"""An order's life as spans: one trace, of one root, without a gap, whichever process told which part."""

from datetime import timedelta

from chalicelib.adapters.order_spans import OrderSpan, OrderSpans
from chalicelib.domain.errors import Code
from chalicelib.domain.events import Building, Failed, Happened, OrderEvent, Pending, Routing, Submitted
from tests.fakes.orders import NOON, an_order

ORDER = an_order(account_id="alice")
LIFE: tuple[Happened, ...] = (
    Pending(ORDER.terms),
    Routing(),
    Building(),
    Submitted("5x"),
    Failed(Code.SLIPPAGE_EXCEEDED, "the price moved", 1),
)


def events() -> list[OrderEvent]:
    return [
        OrderEvent(ORDER.order_id, seq, 1, NOON + timedelta(seconds=seq), what)
        for seq, what in enumerate(LIFE, start=1)
    ]


def told(spans: OrderSpans, *parts: list[OrderEvent]) -> list[OrderSpan]:
    return [span for part in parts for span in spans.of(ORDER, part, "request-1")]


def test_spans_of_several_commits_are_one_trace_from_accepted_to_final_without_a_gap() -> None:
    whole = events()
    *steps, root = told(OrderSpans(), whole[:2], whole[2:4], whole[4:])
    assert [span.name for span in steps] == ["queue", "claim", "plan", "sign", "send and confirm"]
    assert {span.trace_id for span in (*steps, root)} == {ORDER.order_id.int}
    assert {span.parent_id for span in steps} == {root.span_id}
    assert len({span.span_id for span in (*steps, root)}) == len(LIFE) + 1
    assert steps[0].start == root.start == ORDER.accepted_at
    assert [span.end for span in steps[:-1]] == [span.start for span in steps[1:]]
    assert (root.name, root.parent_id, root.end) == ("order", None, whole[-1].at)
    assert root.attributes["orderflow.correlation_id"] == "request-1"
    assert (root.is_error, root.attributes["orderflow.code"]) == (True, "SLIPPAGE_EXCEEDED")


def test_event_told_twice_is_the_same_span() -> None:
    ids = [[span.span_id for span in told(OrderSpans(), events())] for _ in range(2)]
    assert ids[0] == ids[1]


def test_step_that_another_process_began_has_no_length_and_says_so() -> None:
    first, second, *_ = told(OrderSpans(), events()[2:])
    assert (first.start, first.attributes["orderflow.start"]) == (first.end, "unknown")
    assert second.name == "sign"
    assert "orderflow.start" not in second.attributes


def test_step_is_not_said_to_have_begun_with_an_event_before_those_that_another_process_saw() -> None:
    whole = events()
    *_, span = told(OrderSpans(), whole[:2], [whole[3]])
    assert (span.name, span.start, span.attributes["orderflow.start"]) == ("submitted", span.end, "unknown")


def test_no_span_says_whose_order_it_is_or_of_how_much() -> None:
    known = {value for span in told(OrderSpans(), events()) for value in span.attributes.values()}
    assert "alice" not in known
    assert str(ORDER.terms.amount_units) not in map(str, known)
