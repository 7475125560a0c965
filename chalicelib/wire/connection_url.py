"""What a connection URL may say beside an order."""

from collections.abc import Mapping
from typing import Final

from chalicelib.domain.errors import FieldError
from chalicelib.wire.client_frames import SubscribeFields
from chalicelib.wire.fields import validated

BATCH: Final = "batch"
_YES: Final = "1"
_NO: Final = "0"


def wants_batches(query: Mapping[str, str]) -> bool:
    """Return whether events that fall together are to travel in one frame.

    Raises:
        FieldError: The parameter is neither 1 nor 0.
    """
    wish = query.get(BATCH, _NO)
    if wish not in {_YES, _NO}:
        raise FieldError(BATCH, "must be 1 or 0")
    return wish == _YES


def subscription_from_query(query: Mapping[str, str]) -> SubscribeFields:
    """Return which order a URL with an ``orderId`` subscribes to, and from where on.

    Raises:
        InvalidRequestError: It breaks a rule.
    """
    after_seq = query.get("afterSeq", "0")
    if not (after_seq.isascii() and after_seq.isdigit() and len(after_seq) < 10):
        raise FieldError("afterSeq", "must be a whole number from 0")
    return validated(SubscribeFields, {"orderId": query["orderId"], "afterSeq": int(after_seq)})
