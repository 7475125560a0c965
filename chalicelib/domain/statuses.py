"""Order life cycle: which status may follow which."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from chalicelib.domain.errors import InvalidTransitionError


class OrderStatus(StrEnum):
    PENDING = "pending"  # claimed by a consumer, nothing done yet
    OPEN = "open"  # it rests, and waits for its price, its trigger or its pool
    TRIGGERED = "triggered"  # what its trigger waits for was seen
    ROUTING = "routing"  # venues are being asked
    ROUTED = "routed"  # a route is chosen
    BUILDING = "building"  # its transaction is being built and signed
    SUBMITTED = "submitted"  # the signed transaction is on record, and may be sent any time now
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


FINAL: Final = frozenset(
    {OrderStatus.CONFIRMED, OrderStatus.FAILED, OrderStatus.CANCELED, OrderStatus.EXPIRED}
)
RESTING: Final = frozenset({OrderStatus.OPEN})
"""Neither final nor under way: no message and no sweep is needed, what an order waits for brings it on."""

_ENDED_UNSENT: Final = frozenset({OrderStatus.FAILED, OrderStatus.CANCELED, OrderStatus.EXPIRED})

SUCCESSORS: Final = {
    OrderStatus.PENDING: frozenset({OrderStatus.OPEN, OrderStatus.TRIGGERED, OrderStatus.ROUTING})
    | _ENDED_UNSENT,
    # Open again: its owner amended it.
    OrderStatus.OPEN: frozenset({OrderStatus.OPEN, OrderStatus.TRIGGERED, OrderStatus.ROUTING})
    | _ENDED_UNSENT,
    OrderStatus.TRIGGERED: frozenset({OrderStatus.OPEN, OrderStatus.ROUTING}) | _ENDED_UNSENT,
    # Routing again from here on is a retry: the attempt before it is provably dead. A limit order whose price
    # is gone by then rests again.
    OrderStatus.ROUTING: frozenset({OrderStatus.ROUTING, OrderStatus.ROUTED, OrderStatus.OPEN})
    | _ENDED_UNSENT,
    OrderStatus.ROUTED: frozenset({OrderStatus.ROUTING, OrderStatus.BUILDING}) | _ENDED_UNSENT,
    OrderStatus.BUILDING: frozenset({OrderStatus.ROUTING, OrderStatus.SUBMITTED}) | _ENDED_UNSENT,
    # A transaction that may land can neither be canceled nor expire. One that the chain refused at the
    # order's limit leaves the order as it was.
    OrderStatus.SUBMITTED: frozenset(
        {OrderStatus.ROUTING, OrderStatus.OPEN, OrderStatus.CONFIRMED, OrderStatus.FAILED}
    ),
    OrderStatus.CONFIRMED: frozenset[OrderStatus](),
    OrderStatus.FAILED: frozenset[OrderStatus](),
    OrderStatus.CANCELED: frozenset[OrderStatus](),
    OrderStatus.EXPIRED: frozenset[OrderStatus](),
}

MAY_FOLLOW: Final[Mapping[OrderStatus | None, frozenset[OrderStatus]]] = dict(
    [(None, frozenset({OrderStatus.PENDING})), *SUCCESSORS.items()]
)
"""The same table, with what an order may begin with: it follows None."""

CANCELABLE: Final = frozenset(
    status for status, successors in SUCCESSORS.items() if OrderStatus.CANCELED in successors
)
"""Nothing of the current attempt can have reached a venue yet."""


def check_transition(before: OrderStatus | None, after: OrderStatus) -> None:
    """Let a legal transition pass; ``before`` is None for the first event of an order.

    Raises:
        InvalidTransitionError: The transition is not in the table.
    """
    if after not in MAY_FOLLOW[before]:
        raise InvalidTransitionError(before or "nothing", after)
