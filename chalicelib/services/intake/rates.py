"""How often an account may ask for what is not an order: each kind has a rate of its own.

Otherwise pings would use up the leave to trade, and quotes, which take the function a hundred times as long
as a ping, would be bounded by nothing. As with orders the count is each execution environment's own
(``services/intake/limits.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.errors import Code, LimitExceededError
from chalicelib.services.intake.limits import OrderRate
from chalicelib.services.ports import Clock


class RequestKind(StrEnum):
    """The kinds; the values are what a refusal calls them."""

    QUOTE = "quotes"
    PING = "pings"
    SUBSCRIBE = "subscriptions"
    CANCEL = "cancellations"
    AMEND = "amendments"
    READ = "reads"
    CONNECT = "new connections"
    OPERATE = "operator requests"


@dataclass(frozen=True, slots=True)
class RequestRate:
    """So many a second, and so many at once."""

    per_second: int
    burst: int


class RequestRates:
    """A token bucket for each account and kind of request."""

    def __init__(self, rates: Mapping[RequestKind, RequestRate], clock: Clock) -> None:
        self._buckets = {kind: OrderRate(rate.per_second, rate.burst, clock) for kind, rate in rates.items()}

    def admit(self, account_id: str, kind: RequestKind) -> None:
        """Count one request.

        Raises:
            LimitExceededError: The account has asked too often; nothing is counted then.
        """
        rate = self._buckets[kind]
        if not rate.take(account_id):
            raise LimitExceededError(
                Code.RATE_LIMITED, f"too many {kind} a second; slow down", wait_s=rate.wait_s(account_id)
            )
