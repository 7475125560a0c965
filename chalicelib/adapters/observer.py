"""What operators see: one log line per event of an order, and metrics in CloudWatch's embedded format."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.domain.events import (
    Building,
    Confirmed,
    Expired,
    Failed,
    Happened,
    Open,
    OrderEvent,
    Pending,
    Recorded,
    Routed,
    Routing,
    Submitted,
    Triggered,
)
from chalicelib.domain.ids import id_text
from chalicelib.domain.orders import Order
from chalicelib.domain.statuses import FINAL, OrderStatus
from chalicelib.logs import SERVICE, info_texts, members_text
from chalicelib.wire.route_views import RouteViews

NAMESPACE: Final = "Orderflow"

_SAYS_NO_MORE: Final = (Pending, Building)


class PowertoolsObserver:
    """``Observer`` in the log, with Powertools' metrics: they leave with ``flush``, as an invocation ends."""

    def __init__(self, amounts: RouteViews, stage: str) -> None:
        self._amounts = amounts
        # Stages of one account and region would ring each other's alarms.
        self._metrics = Metrics(namespace=f"{NAMESPACE}/{stage}", service=SERVICE)
        self._is_empty = True

    def saw(
        self,
        committed: Sequence[tuple[Order, Sequence[OrderEvent]]],
        correlation_ids: Mapping[UUID, str | None],
    ) -> None:
        info_texts("order event", lambda: self._members(committed, correlation_ids))
        ends = [
            (order, events[-1]) for order, events in committed if events and events[-1].what.status in FINAL
        ]
        for order, end in ends:
            elapsed_ms = _elapsed_ms(order.accepted_at, end.at)
            self._metrics.add_metric("TimeToFinal", MetricUnit.Milliseconds, elapsed_ms)
        by_status = Counter([end.what.status for _, end in ends])
        if OrderStatus.FAILED in by_status:
            # The alarm that compares the two has numbers to compare, also while nothing is confirmed at all.
            by_status.setdefault(OrderStatus.CONFIRMED, 0)
        for status, number in by_status.items():
            self.count(f"Orders{status.capitalize()}", number)

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self._is_empty = False
        self._metrics.add_metric(name, MetricUnit.Count, number)

    def flush(self) -> None:
        """Print the metrics gathered since the last time, if any."""
        if not self._is_empty:
            self._metrics.flush_metrics()
            self._is_empty = True

    def _members(
        self,
        committed: Sequence[tuple[Order, Sequence[OrderEvent]]],
        correlation_ids: Mapping[UUID, str | None],
    ) -> list[str]:
        """Return what only an event's line says: an order has six, and each byte is paid for.

        What never changes stands in the first line, a transaction in that of its sending, the attempt from
        the second on. Whose order it is stands in the record alone.
        """
        texts = []
        for order, events in committed:
            name = id_text(order.order_id)
            for event in events:
                what, seq = event.what, event.seq
                text = f'"order_id":"{name}","seq":{seq},"order_status":"{what.status}"'
                if seq == 1:
                    text = f"{text},{members_text(_unchanging(order, correlation_ids))}"
                if event.attempt > 1:
                    text = f'{text},"attempt":{event.attempt}'
                if not isinstance(what, _SAYS_NO_MORE) and (facts := self._facts(order, what)):
                    text = f"{text},{members_text(facts)}"
                texts.append(text)
        return texts

    def _facts(self, order: Order, what: Happened | Recorded) -> dict[str, Any]:
        """Return what only the event's status says of it."""
        facts: dict[str, Any]
        match what:  # those of every order first
            case Routing(reason):
                facts = {} if reason is None else {"reason": reason}
            case Routed(route):
                facts = {"swap": self._swap(order, route.input_units, route.output_units)}
            case Submitted(tx_signature):
                facts = {"txSignature": tx_signature}
            case Confirmed() as fill:
                # Of the transaction that was submitted last: nothing else can be confirmed.
                facts = {"swap": self._swap(order, fill.input_units, fill.output_units)}
            case Open() | Triggered():
                facts = self._of_waiting(order, what)
            case Failed(code) | Expired(code):
                facts = {"code": code}
            case _:
                facts = {}
        return facts

    def _of_waiting(self, order: Order, what: Open | Triggered) -> dict[str, Any]:
        """Return what a resting order waits for, as the client wrote it, or what was seen when it fired."""
        facts: dict[str, Any]
        if isinstance(what, Triggered):
            seen = self._amounts.price(
                what.observed.input_units,
                what.observed.output_units,
                input_token=what.input_token,
                output_token=what.output_token,
                base=what.price_base,
            )
            facts = {"observedPrice": seen, "triggerPrice": what.trigger_price}
        else:
            limit, trigger = order.terms.limit, order.terms.trigger
            facts = {
                "limitPrice": limit and limit.price,
                "triggerPrice": trigger and trigger.price,
                "amended": what.amended and sorted(what.amended),
                "reason": what.reason,
            }
        return {name: fact for name, fact in facts.items() if fact}

    def _swap(self, order: Order, input_units: int, output_units: int) -> str:
        """Return what is given and what is got, as people read it; "?" for decimals that are unknown."""
        given, got = order.terms.input_token, order.terms.output_token
        gives, gets = self._amounts.amount(input_units, given), self._amounts.amount(output_units, got)
        return f"{gives or '?'} {given} → {gets or '?'} {got}"


def _unchanging(order: Order, correlation_ids: Mapping[UUID, str | None]) -> dict[str, Any]:
    facts = {"pair": f"{order.terms.input_token}->{order.terms.output_token}"}
    correlation_id = correlation_ids.get(order.order_id)
    return facts if correlation_id is None else facts | {"correlation_id": correlation_id}


def _elapsed_ms(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))
