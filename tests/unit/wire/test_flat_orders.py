"""Orders in queue messages, while a deployment replaces functions: old and new read each other."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter

from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType
from chalicelib.wire.flat_orders import MEMBERS, flat
from chalicelib.wire.queue_messages import parse_message, render_message
from tests.fakes.orders import an_order

SUBMISSION = UUID("019b796d-d600-79d4-a29f-e4f3deb17bce")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OldOrder(_Strict):
    """As releases read it in which an order had its terms' fields itself."""

    order_id: UUID
    account_id: str
    client_order_id: str | None
    order_type: OrderType
    swap_mode: SwapMode
    input_token: str
    output_token: str
    amount_units: int
    price_base: str
    slippage_bps: int
    accepted_at: datetime
    valid_until: datetime
    content_sha256: str
    submission_id: UUID | None = None


class OldMessage(_Strict):
    kind: Literal["order"]
    order: OldOrder
    connection_id: str | None = None
    request_id: str | None = None
    correlation_id: str | None = None
    owed: dict[str, Any] | None = None


def test_older_release_reads_what_this_one_writes() -> None:
    order = replace(an_order(client_order_id="é", amount_units=2**64 - 1), submission_id=SUBMISSION)
    body = render_message(OrderMessage(order=order, connection_id="c=", request_id="r"))
    old = TypeAdapter(OldMessage).validate_json(body, strict=True)
    assert old.order.model_dump() == flat(order)
    assert list(json.loads(body)["order"]) == list(OldOrder.model_fields)


def test_this_release_reads_what_an_older_one_wrote() -> None:
    order = replace(an_order(client_order_id="é"), submission_id=SUBMISSION)
    old = OldMessage(kind="order", order=OldOrder(**flat(order)), connection_id="c=")
    assert parse_message(old.model_dump_json()) == OrderMessage(order=order, connection_id="c=")


def test_validity_is_said_by_two_moments_alone() -> None:
    assert "valid_for_s" not in MEMBERS
    assert OldOrder.model_fields.keys() <= MEMBERS
