"""Until when an order may be sent: time in force, and what goes with which type (FIX 59, 126)."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from chalicelib.domain.errors import FieldError
from chalicelib.domain.terms import OrderType, TimeInForce

AT_ONCE_S_DEFAULT: Final = 60
AT_ONCE_S_MAX: Final = 3_600
"""An order that executes at once has no use for more."""

RESTING_S_MAX: Final = 30 * 86_400


class Lifetime(NamedTuple):
    """How long an order may wait and be sent.

    Attributes:
        valid_for_s: From its acceptance on; None if it has a moment instead, or waits until it is canceled.
        expires_at: The moment; past it, the order is not sent any more.
    """

    time_in_force: TimeInForce
    valid_for_s: int | None
    expires_at: datetime | None

    def ends_at(self, accepted_at: datetime) -> datetime | None:
        """Return when an order accepted then expires; None if it waits until it is canceled.

        Raises:
            FieldError: ``expiresAt`` is past then, or further ahead than such an order may live.
        """
        if self.valid_for_s is not None:
            return accepted_at + timedelta(seconds=self.valid_for_s)
        if self.expires_at is None:
            return None
        if self.expires_at <= accepted_at:
            raise FieldError("expiresAt", "must be in the future")
        most = RESTING_S_MAX if self.time_in_force is TimeInForce.GTD else AT_ONCE_S_MAX
        if self.expires_at > accepted_at + timedelta(seconds=most):
            raise FieldError("expiresAt", f"must be within {_span(most)}")
        return self.expires_at


AT_ONCE: Final = Lifetime(TimeInForce.IOC, AT_ONCE_S_DEFAULT, None)
"""Of a market order that says nothing of time."""


def lifetime(
    order_type: OrderType,
    *,
    is_triggered: bool,
    time_in_force: TimeInForce | None,
    valid_for_s: int | None,
    expires_at: datetime | None,
) -> Lifetime:
    """Return what the fields about time mean together.

    Without ``timeInForce``, a plain market order is ``ioc``, an order with an end ``gtd``, any other that
    waits ``gtc``.

    Args:
        is_triggered: Whether the order has a trigger, and so waits whatever its type.

    Raises:
        FieldError: They contradict each other or the order's type.
    """
    if valid_for_s is not None and expires_at is not None:
        raise FieldError("expiresAt", "does not go with validForSeconds: name one end")
    waits = order_type is not OrderType.MARKET or is_triggered
    has_end = valid_for_s is not None or expires_at is not None
    if time_in_force is None and not waits and not has_end:
        return AT_ONCE
    if time_in_force is None:
        time_in_force = _implied(waits=waits, has_end=has_end)
    _check(time_in_force, order_type, waits=waits, has_end=has_end, is_triggered=is_triggered)
    if time_in_force is TimeInForce.IOC and not has_end:
        valid_for_s = AT_ONCE_S_DEFAULT
    most = RESTING_S_MAX if time_in_force is TimeInForce.GTD else AT_ONCE_S_MAX
    if valid_for_s is not None and not 1 <= valid_for_s <= most:
        raise FieldError("validForSeconds", f"must be from 1 to {most}")
    return Lifetime(time_in_force, valid_for_s, expires_at)


def _implied(*, waits: bool, has_end: bool) -> TimeInForce:
    if not waits:
        return TimeInForce.IOC
    return TimeInForce.GTD if has_end else TimeInForce.GTC


def _check(
    time_in_force: TimeInForce, order_type: OrderType, *, waits: bool, has_end: bool, is_triggered: bool
) -> None:
    match time_in_force:
        case TimeInForce.IOC:
            if is_triggered:
                raise FieldError("timeInForce", "must be gtc or gtd: an order with a trigger waits for it")
            if order_type is OrderType.SNIPER:
                raise FieldError("timeInForce", "must be gtc or gtd: a sniper order waits for a pool")
        case TimeInForce.GTC:
            if not waits:
                raise FieldError("timeInForce", "must be ioc for a market order")
            if has_end:
                raise FieldError("timeInForce", "must be gtd if validForSeconds or expiresAt is given")
        case TimeInForce.GTD:
            if not waits:
                raise FieldError("timeInForce", "must be ioc for a market order")
            if not has_end:
                raise FieldError("timeInForce", "gtd needs validForSeconds or expiresAt")


def _span(seconds: int) -> str:
    return f"{seconds // 86_400} days" if seconds % 86_400 == 0 else f"{seconds} seconds"
