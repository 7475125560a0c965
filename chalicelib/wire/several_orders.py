"""Answers about several orders at once: what became of a batch, and of orders that were canceled together."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chalicelib.domain.errors import ExecutionError, FieldError, RetryableError
from chalicelib.domain.orders import Order
from chalicelib.domain.terms import OrderTerms
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339
from chalicelib.wire.order_fields import OrderFields
from chalicelib.wire.resting_fields import meant_fields
from chalicelib.wire.server_frames import error_body


def batched_terms(members: dict[str, Any], tokens: Tokens, unread: Collection[str] = ()) -> OrderTerms:
    """Return what one order of a batch means.

    Args:
        unread: Mints for which the market could not be asked.

    Raises:
        InvalidRequestError: It breaks a rule.
        RetryableError: It names one of those.
    """
    if members.get("dryRun") not in {None, False}:
        raise FieldError("dryRun", "does not go in a batch: submit the order by itself")
    fields = meant_fields(OrderFields, members)
    for name in fields.named_tokens:
        if name in unread:
            raise RetryableError(f"whether a pool of {name} is known cannot be looked up now")
    return fields.terms(tokens)


def results(of_each: Sequence[Order | ExecutionError]) -> list[JsonObject]:
    """Return what became of each order of a batch: its id, or why it has none."""
    return [
        error_body(each)
        if isinstance(each, ExecutionError)
        else {"orderId": str(each.order_id), "clientOrderId": each.terms.client_order_id}
        for each in of_each
    ]


def canceled_all(
    canceled: int, already_sent: Sequence[UUID], accepted_until: datetime, *, more: bool
) -> JsonObject:
    """Return how many orders were canceled and which could not be; ``more``: some are left, so ask again.

    Orders accepted until a moment and in the queue still are canceled too, each once its turn comes.
    """
    return {
        "canceled": canceled,
        "alreadySent": [str(order_id) for order_id in already_sent],
        "more": more,
        "acceptedUntil": rfc3339(accepted_until),
    }
