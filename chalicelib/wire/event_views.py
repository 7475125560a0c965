"""Events in wire form: what only their status says, for rows and for frames."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, assert_never

from chalicelib.domain.events import (
    Building,
    Canceled,
    Confirmed,
    Expired,
    Failed,
    Happened,
    Launched,
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
from chalicelib.domain.prices import bps_text
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.conditions import condition_views
from chalicelib.wire.json_text import JsonObject, canonical
from chalicelib.wire.moments import rfc3339
from chalicelib.wire.route_views import RouteViews
from chalicelib.wire.server_frames import json_text

_KEPT_MAX: Final = 512
_PLAIN_MAX: Final = 256
_NOTHING: Final = "{}"
# Their fields are made sorted by name, as canonical JSON has them: to sort these would take the longest.
_LONG: Final = (Routed, Confirmed)
_WORDLESS: Final = (Building, Canceled)


class EventViews:
    """Renders events, each once: its hash, its row and its frames have the same text.

    Safe to share between threads; two that meet over an event at worst both render it.
    """

    def __init__(self, tokens: Tokens) -> None:
        self.routes = RouteViews(tokens)
        self._tokens = tokens
        # By identity; an entry keeps its event, so that no other can have its id meanwhile.
        self._kept: dict[int, tuple[OrderEvent, str]] = {}

    def text(self, event: OrderEvent) -> str:
        """Return what only the event's status says as canonical JSON: its hash, row and frames have this."""
        what = event.what
        if not isinstance(what, _LONG):
            return self._short_text(what)
        kept = self._kept.get(id(event))
        if kept is not None and kept[0] is event:
            return kept[1]
        text = self._long_text(what)
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        self._kept[id(event)] = event, text
        return text

    def _long_text(self, what: Routed | Confirmed) -> str:
        return json_text(self.routes.route(what.route) if isinstance(what, Routed) else self._fill(what))

    def _short_text(self, what: Happened | Recorded) -> str:
        """Return a text that takes less to make than to keep."""
        if isinstance(what, _WORDLESS) or (isinstance(what, Routing) and what.reason is None):
            return _NOTHING
        if isinstance(what, Submitted):
            return f'{{"txSignature":{json_text(what.tx_signature)}}}'
        if isinstance(what, Pending) and _is_plain(terms := what.terms):
            return _plain_terms(terms.order_type, terms.input_token, terms.output_token, terms.slippage_bps)
        fields = self._fields(what)
        return canonical(fields) if fields else _NOTHING

    def frame_texts(self, client_order_id: str | None, events: Sequence[OrderEvent]) -> list[str]:
        """Return committed events of one order as their frames."""
        if not events:
            return []
        order = f'"orderId":"{id_text(events[0].order_id)}","clientOrderId":{json_text(client_order_id)}'
        frames, at, attempt, rest = [], None, 0, ""
        for event in events:
            what = event.what
            if event.at is not at or event.attempt != attempt:
                at, attempt = event.at, event.attempt
                rest = f'","attempt":{attempt},"at":"{rfc3339(at)}"'
            text = self._last_text(event, what) if isinstance(what, _LONG) else self._short_text(what)
            said = "}" if text == _NOTHING else f",{text[1:]}"
            frames.append(f'{{"type":"order",{order},"seq":{event.seq},"status":"{what.status}{rest}{said}')
        return frames

    def _last_text(self, event: OrderEvent, what: Routed | Confirmed) -> str:
        """Return the text, and keep it no more: frames are the last to ask, mostly.

        Kept for longer, events would grow old, and each of the garbage collector's long rounds would go
        through them.
        """
        kept = self._kept.pop(id(event), None)
        return kept[1] if kept is not None and kept[0] is event else self._long_text(what)

    def frame(self, client_order_id: str | None, event: OrderEvent) -> JsonObject:
        """Return the members of an event's frame, as REST shows it."""
        return {
            "type": "order",
            "orderId": str(event.order_id),
            "clientOrderId": client_order_id,
            "seq": event.seq,
            "status": event.status,
            "attempt": event.attempt,
            "at": rfc3339(event.at),
            **self.fields(event),
        }

    def fields(self, event: OrderEvent) -> JsonObject:
        """Return what only the event's status says."""
        return self._fields(event.what)

    def _fields(self, what: Happened | Recorded) -> JsonObject:  # noqa: C901, PLR0912  # a case per status, each a line
        match what:
            case Routed(route):
                fields = self.routes.route(route)
            case Pending(terms):
                fields = _terms(terms, self._tokens)
            case Routing(reason, fee):
                fields = _reason(reason) | _network_fee(fee)
            case Building() | Canceled():
                fields = {}
            case Submitted(tx_signature):
                fields = {"txSignature": tx_signature}
            case Confirmed() as confirmed:
                fields = self._fill(confirmed)
            case Open(reason, amended, fee):
                fields = _opened(reason, amended) | _network_fee(fee)
            case Triggered() as triggered:
                fields = self._evidence(triggered)
            case Launched() as launched:
                fields = self._launch(launched)
            case Failed(code, message, attempts, fee):
                fields = {"code": code, "message": message, "attempts": attempts, **_network_fee(fee)}
            case Expired(code, message):
                fields = {"code": code, "message": message}
            case Recorded(_, stored):
                fields = dict(stored)
            case never:
                assert_never(never)
        return fields

    def _evidence(self, triggered: Triggered) -> JsonObject:
        return {
            "observedPrice": self.routes.price(
                triggered.observed.input_units,
                triggered.observed.output_units,
                input_token=triggered.input_token,
                output_token=triggered.output_token,
                base=triggered.price_base,
            ),
            "triggerPrice": triggered.trigger_price,
            "source": triggered.source,
            "height": triggered.height,
            "confirmations": triggered.confirmations,
        }

    def _launch(self, launched: Launched) -> JsonObject:
        return {
            "pool": launched.pool_id,
            "venue": launched.venue,
            "openedHeight": launched.opened_height,
            "height": launched.height,
            "liquidity": self.routes.amount(launched.liquidity_units, launched.input_token),
            "feeBps": bps_text(launched.fee_rate, 1_000_000_000),
        }

    def _fill(self, confirmed: Confirmed) -> JsonObject:
        views, unspent = self.routes, confirmed.unspent_input_units
        left = {"unspentInputAmount": views.amount(unspent, confirmed.input_token)} if unspent else {}
        return {
            "executedPrice": views.price(
                confirmed.input_units,
                confirmed.output_units,
                input_token=confirmed.input_token,
                output_token=confirmed.output_token,
                base=confirmed.price_base,
            ),
            **views.fees(confirmed.fees, input_token=confirmed.input_token),
            "inputAmount": views.amount(confirmed.input_units, confirmed.input_token),
            **_network_fee(confirmed.network_fee_lamports),
            "outputAmount": views.amount(confirmed.output_units, confirmed.output_token),
            "priceImpactBps": confirmed.price_impact_bps,
            "realizedSlippageBps": confirmed.realized_slippage_bps,
            "slot": confirmed.slot,
            "txSignature": confirmed.tx_signature,
            **left,
        }


def _reason(reason: str | None) -> JsonObject:
    return {} if reason is None else {"reason": reason}


def _opened(reason: str | None, amended: Mapping[str, object] | None) -> JsonObject:
    return _reason(reason) | ({} if amended is None else {"amended": dict(amended)})


def _network_fee(lamports: int | None) -> JsonObject:
    return {} if lamports is None else {"networkFeeLamports": lamports}


def _terms(terms: OrderTerms, tokens: Tokens) -> JsonObject:
    return {
        "orderType": terms.order_type,
        "inputToken": terms.input_token,
        "outputToken": terms.output_token,
        "slippageBps": terms.slippage_bps,
        **condition_views(terms, tokens),
    }


def _is_plain(terms: OrderTerms) -> bool:
    """Return whether ``condition_views`` has nothing to show."""
    return terms.time_in_force is TimeInForce.IOC and not terms.waits


@lru_cache(maxsize=_PLAIN_MAX)
def _plain_terms(order_type: OrderType, input_token: str, output_token: str, slippage_bps: int | None) -> str:
    """Return the canonical text of terms without conditions: those of most orders have been shown before."""
    return canonical(
        {
            "orderType": order_type,
            "inputToken": input_token,
            "outputToken": output_token,
            "slippageBps": slippage_bps,
        }
    )
