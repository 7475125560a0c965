"""New orders that come on record with their signed transactions: one commit, where a claim and a write-ahead
are two.

Where the venues answer within milliseconds, an order is planned and signed by the time its claim would have
been committed. Nothing of it is outside before it is on record; what was signed for an order that turns out
to be on record already, or canceled, is dropped.
"""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import ClaimedOrder, NewOrder
from chalicelib.services.consumer.batch import Incoming
from chalicelib.services.consumer.plans_ahead import Ahead
from chalicelib.services.consumer.write_ahead import WriteAhead


def signed_ahead(
    incoming: Sequence[Incoming], ahead: Ahead, write_ahead: WriteAhead, now: datetime
) -> list[NewOrder]:
    """Return what a batch asks for, planned and signed.

    Returns nothing if the plans are not there, or if not every order comes as far as that: what becomes
    of each shows when they are claimed first.
    """
    if not ahead.done():
        return []
    plans = ahead.result()
    # ``planned_ahead`` has seen to it that each message brings its order.
    orders = [each.order for each in incoming if each.order is not None]
    claimed = [ClaimedOrder(OrderState(order), fence=1) for order in orders]
    planned = plans.for_claimed(claimed)
    if planned is None or any(order.is_late(now) or order.is_overdue(now) for order in orders):
        return []
    signed = write_ahead.signed_ahead(list(zip(claimed, planned, strict=True)))
    if not signed or any(each.new_attempt is None for each in signed):
        return []
    return [
        NewOrder(step.state, step.events, each.connection_id, attempt=step.new_attempt)
        for each, step in zip(incoming, signed, strict=True)
    ]
