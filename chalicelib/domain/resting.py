"""What an order waits for and within which bounds, as one value: the terms that a market order lacks."""

from typing import Final, NamedTuple

from chalicelib.domain.errors import FieldError
from chalicelib.domain.launches import Sniper, check_sniper_mode
from chalicelib.domain.lifetimes import AT_ONCE, Lifetime
from chalicelib.domain.rates import Limit
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderType
from chalicelib.domain.triggers import STOP_SLIPPAGE_BPS, Trigger

SLIPPAGE_BPS_DEFAULT: Final = 50


class RestingTerms(NamedTuple):
    """What binds an order beside what it swaps.

    Attributes:
        limit: The worst rate; None if the quote at execution and ``slippage_bps`` bound the order.
        slippage_bps: None beside a limit, which is the bound itself.
        sniper: Of a sniper order always, of any other never.
    """

    limit: Limit | None
    slippage_bps: int | None
    lifetime: Lifetime
    trigger: Trigger | None
    sniper: Sniper | None


def at_once(slippage_bps: int | None) -> RestingTerms:
    """Return the terms of a market order that waits for nothing and says nothing of time."""
    bound = SLIPPAGE_BPS_DEFAULT if slippage_bps is None else slippage_bps
    return RestingTerms(None, bound, AT_ONCE, None, None)


def resting_terms(
    order_type: OrderType,
    swap_mode: SwapMode,
    *,
    limit: Limit | None,
    slippage_bps: int | None,
    lifetime: Lifetime,
    trigger: Trigger | None,
    sniper: Sniper | None,
) -> RestingTerms:
    """Return the terms, if what was said goes together.

    Raises:
        FieldError: A field belongs to another type, is missing, or contradicts another one.
    """
    _check_limit(order_type, limit, slippage_bps)
    if order_type is OrderType.SNIPER:
        check_sniper_mode(swap_mode)
        if trigger is not None:
            raise FieldError("trigger", "does not go with a sniper order, which waits for a pool")
        sniper = sniper or Sniper()
    elif sniper is not None:
        raise FieldError("sniper", 'goes with "type":"sniper" alone')
    if limit is None and slippage_bps is None:
        is_stop = trigger is not None and trigger.is_stop
        slippage_bps = STOP_SLIPPAGE_BPS if is_stop else SLIPPAGE_BPS_DEFAULT
    return RestingTerms(limit, slippage_bps, lifetime, trigger, sniper)


def _check_limit(order_type: OrderType, limit: Limit | None, slippage_bps: int | None) -> None:
    if limit is None:
        if order_type is OrderType.LIMIT:
            raise FieldError("limitPrice", "is required for a limit order")
        return
    if order_type is OrderType.MARKET:
        raise FieldError("limitPrice", 'does not go with a market order: say "type":"limit"')
    if slippage_bps is not None:
        raise FieldError("slippageBps", "does not go with limitPrice, which is the bound itself")
