"""What would become of an order, told without doing anything of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from chalicelib.domain.chosen_route import ChosenRoute
from chalicelib.domain.errors import Code


class Outlook(StrEnum):
    """Where an order would be in a moment, if it were submitted now."""

    OPEN = "open"
    EXECUTE_NOW = "executeNow"
    REFUSED = "refused"  # by us at once, or as an order that ends without being sent


class CheckResult(StrEnum):
    PASSED = "passed"
    WAITING = "waiting"  # for a price or a pool: that is what the order is for
    FAILED = "failed"
    UNKNOWN = "unknown"  # cannot be known before the order is executed


class Check(NamedTuple):
    """One thing that is looked at before an order is executed.

    Attributes:
        name: As the answer calls it.
        code: What a failed one would be refused with.
    """

    name: str
    result: CheckResult
    message: str
    code: Code | None = None


class Judgement(NamedTuple):
    """What the market makes of an order now, and why, in a sentence."""

    outlook: Outlook
    sentence: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of an order.

    Attributes:
        summary: For people: what would happen, and why.
        route: What its size would get now; None if no route fills it.
        order_id: Of the order that it is already, by its client order id.
    """

    outlook: Outlook
    summary: str
    checks: tuple[Check, ...]
    route: ChosenRoute | None
    at: datetime
    valid_until: datetime
    order_id: UUID | None = None

    @property
    def code(self) -> Code | None:
        """What it would be refused with, or end with; the first, if there are several."""
        return next((check.code for check in self.checks if check.result is CheckResult.FAILED), None)
