"""Traces as a collector gets them, over OTLP/HTTP, and what happens to orders when there is none: nothing."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from chalicelib.adapters.observer import PowertoolsObserver
from chalicelib.adapters.traces import PAUSE_S, TracingObserver, otlp_exporter
from chalicelib.domain.events import Confirmed, Happened, OrderEvent, Pending, Routing, Submitted
from tests.fakes.orders import NOON, VIEWS, an_order

ORDER = an_order()
FILL = Confirmed("5x", 28, "SOL", "USDC", "SOL", 10**9, 225 * 10**6, {}, "0.00", "0.00")
LIFE: tuple[Happened, ...] = (Pending(ORDER.terms), Routing(), Submitted("5x"), FILL)
EVENTS = [
    OrderEvent(ORDER.order_id, seq, 1, NOON + timedelta(microseconds=seq), what)
    for seq, what in enumerate(LIFE, start=1)
]


class BrokenExporter(SpanExporter):
    """Fails by its answer, then by what it raises, and counts."""

    def __init__(self) -> None:
        self.asked = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert spans
        self.asked += 1
        if self.asked > 1:
            raise OSError("refused")
        return SpanExportResult.FAILURE


class Collector(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.got: list[ExportTraceServiceRequest] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        del format, args


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    server = Collector()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_collector_gets_an_order_as_one_trace_with_the_orders_own_id(collector: Collector) -> None:
    exporter = otlp_exporter()
    observer = TracingObserver(PowertoolsObserver(VIEWS.routes, "dev"), exporter, "dev")
    for event in EVENTS:
        observer.saw([(ORDER, [event])], {})
    observer.flush()
    observer.flush()
    exporter.shutdown()
    (request,) = collector.got
    (of_resource,) = request.resource_spans
    named = {each.key: each.value.string_value for each in of_resource.resource.attributes}
    assert (named["service.name"], named["deployment.environment.name"]) == ("orderflow", "dev")
    spans = of_resource.scope_spans[0].spans
    assert [span.name for span in spans] == ["queue", "claim", "plan", "send and confirm", "order"]
    assert {span.trace_id for span in spans} == {ORDER.order_id.bytes}
    *steps, root = spans
    assert root.parent_span_id == b""
    assert {span.parent_span_id for span in steps} == {root.span_id}
    assert steps[-1].end_time_unix_nano - steps[-1].start_time_unix_nano == 1_000


def test_collector_that_is_down_is_left_alone_for_a_while_and_costs_no_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = [0.0]
    exporter = BrokenExporter()
    observer = TracingObserver(PowertoolsObserver(VIEWS.routes, "dev"), exporter, "dev", lambda: now_s[0])
    for _ in range(3):
        observer.saw([(ORDER, EVENTS)], {})
        observer.flush()
    assert exporter.asked == 1
    now_s[0] = PAUSE_S
    observer.flush()
    assert exporter.asked == 2
    assert caplog.messages.count("traces not exported") == 2


def test_nothing_is_sent_when_nothing_was_seen() -> None:
    exporter = BrokenExporter()
    TracingObserver(PowertoolsObserver(VIEWS.routes, "dev"), exporter, "dev").flush()
    assert exporter.asked == 0
