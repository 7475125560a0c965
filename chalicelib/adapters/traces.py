"""Traces for OpenTelemetry, if ``TRACES`` asks for them: what the observer sees, exported by OTLP over HTTP.

Where they go, with which headers and how many are sampled, OpenTelemetry's own variables say
(``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_EXPORTER_OTLP_HEADERS``, ``OTEL_TRACES_SAMPLER``).
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final
from uuid import UUID

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from chalicelib.adapters.observer import PowertoolsObserver
from chalicelib.adapters.order_spans import OrderSpan, OrderSpans
from chalicelib.domain.events import OrderEvent
from chalicelib.domain.orders import Order
from chalicelib.logs import SERVICE, logger

EXPORT_TIME_LIMIT_S: Final = 1.0
"""For all that one invocation has to tell: it has done its work, and only its messages wait to be deleted."""

PAUSE_S: Final = 30.0
"""After a failed export: a collector that is down must not cost each invocation its time limit."""

SPANS_MAX: Final = 4_096
"""Kept until they are exported; of more than these the oldest are dropped."""

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def otlp_exporter() -> SpanExporter:
    """Return what sends spans to the collector that the environment names."""
    return OTLPSpanExporter(timeout=EXPORT_TIME_LIMIT_S)


class TracingObserver:
    """``Observer`` that has another see everything, and tells a collector. It never fails.

    Orders go first.
    """

    def __init__(
        self,
        inner: PowertoolsObserver,
        exporter: SpanExporter,
        stage: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._exporter = exporter
        self._monotonic_s = monotonic_s
        self._paused_until_s = monotonic_s()
        self._spans = OrderSpans()
        self._gathered = _Gathered()
        self._ids = _GivenIds()
        self._lock = Lock()
        resource = Resource.create({"service.name": SERVICE, "deployment.environment.name": stage})
        provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        provider.add_span_processor(self._gathered)
        self._tracer = provider.get_tracer(SERVICE)

    def saw(
        self,
        committed: Sequence[tuple[Order, Sequence[OrderEvent]]],
        correlation_ids: Mapping[UUID, str | None],
    ) -> None:
        self._inner.saw(committed, correlation_ids)
        try:
            for order, events in committed:
                for span in self._spans.of(order, events, correlation_ids.get(order.order_id)):
                    self._record(span)
        except Exception:  # noqa: BLE001  # what is told about orders must not stop them
            logger.exception("defect", doing="tracing orders")

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self._inner.count(name, number)

    def flush(self) -> None:
        """Print metrics, and export the spans gathered since the last time, if any."""
        self._inner.flush()
        if self._monotonic_s() < self._paused_until_s:
            return
        spans = self._gathered.taken()
        if spans and not self._is_exported(spans):
            self._paused_until_s = self._monotonic_s() + PAUSE_S
            logger.warning("traces not exported", spans=len(spans), pause_s=PAUSE_S)

    def _is_exported(self, spans: Sequence[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001  # likewise, whatever an exporter raises
            logger.exception("defect", doing="exporting traces")
            return False

    def _record(self, told: OrderSpan) -> None:
        context = None
        if told.parent_id is not None:
            parent = SpanContext(told.trace_id, told.parent_id, is_remote=False, trace_flags=TraceFlags(1))
            context = set_span_in_context(NonRecordingSpan(parent))
        with self._lock:
            self._ids.trace_id, self._ids.span_id = told.trace_id, told.span_id
            span = self._tracer.start_span(
                told.name, context, attributes=told.attributes, start_time=_ns(told.start)
            )
        if told.is_error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(_ns(told.end))


class _GivenIds(IdGenerator):
    """Has the SDK take the ids that an order's spans have by themselves."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class _Gathered(SpanProcessor):
    def __init__(self) -> None:
        self._ended: deque[ReadableSpan] = deque(maxlen=SPANS_MAX)

    def on_end(self, span: ReadableSpan) -> None:
        self._ended.append(span)

    def taken(self) -> list[ReadableSpan]:
        """Return all there are, oldest first; each is returned once."""
        spans = []
        while self._ended:
            try:
                spans.append(self._ended.popleft())
            except IndexError:
                break
        return spans


def _ns(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1_000
