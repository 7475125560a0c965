"""What can still be made of a message that breaks the rules: whom it concerns,
so that they are not left waiting.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from chalicelib.domain.orders import Order
from chalicelib.domain.queue_messages import Remains
from chalicelib.wire.fields import OrderId, PrintableText
from chalicelib.wire.flat_orders import MEMBERS
from chalicelib.wire.queue_messages import SoundOrder

_ORDER: Final[TypeAdapter[Order]] = TypeAdapter(SoundOrder)
_ID: Final[TypeAdapter[UUID]] = TypeAdapter(OrderId)
_TEXT: Final[TypeAdapter[str]] = TypeAdapter(PrintableText)

Value = TypeVar("Value")


def remains(body: str) -> Remains:
    """Return what a body that ``parse_message`` refused still says; whatever the body is,
    this raises nothing.
    """
    try:
        members = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return Remains()
    if not isinstance(members, dict):
        return Remains()
    stated = members.get("order")
    order = _order(stated) if isinstance(stated, dict) else None
    order_id = members.get("order_id", stated.get("order_id") if isinstance(stated, dict) else None)
    return Remains(
        order.order_id if order else _sound(_ID, order_id),
        order,
        _sound(_TEXT, members.get("connection_id")),
        _sound(_TEXT, members.get("request_id")),
    )


def _order(stated: Mapping[str, Any]) -> Order | None:
    known = {name: value for name, value in stated.items() if name in MEMBERS}
    try:
        # By way of text, as ids and times are strict in text alone.
        return _ORDER.validate_json(json.dumps(known), strict=True)
    except (ValidationError, RecursionError):
        return None


def _sound(kind: TypeAdapter[Value], value: object) -> Value | None:
    try:
        return kind.validate_python(value)
    except ValidationError:
        return None
