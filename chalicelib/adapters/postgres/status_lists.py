"""Sets of statuses as SQL has them, for ``IN`` and ``NOT IN``."""

from collections.abc import Set as AbstractSet
from typing import Final

from chalicelib.domain.statuses import CANCELABLE, FINAL, RESTING, OrderStatus


def listed(statuses: AbstractSet[OrderStatus]) -> str:
    """Return a set of statuses as SQL.

    In the order in which they are defined: a partial index serves a statement only if it lists them alike.
    """
    quoted = [f"'{status.value}'" for status in OrderStatus if status in statuses]
    return f"({', '.join(quoted)})"


FINAL_STATUSES: Final = listed(FINAL)
CANCELABLE_STATUSES: Final = listed(CANCELABLE)
IDLE_STATUSES: Final = listed(FINAL | RESTING)
"""Of orders that need not be moved on: those that ended, and those that rest."""

UNDER_WAY: Final = "ended_at IS NULL AND rests IS NULL"
"""The condition of the index of orders that are to be moved on; the columns follow from the status."""
RESTS: Final = "rests"
"""That of the index of orders that rest."""
ENDED: Final = "ended_at IS NOT NULL"
"""That of the index of orders that ended."""


def index_condition(status: OrderStatus) -> str:
    """Return the condition of the index in which orders of a status are found by their accounts."""
    if status in FINAL:
        return ENDED
    return RESTS if status in RESTING else UNDER_WAY
