"""Other terms for an order that rests: what may change, and what the order is then."""

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.amounts import format_units, parse_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.lifetimes import Lifetime
from chalicelib.domain.orders import Order, OrderState
from chalicelib.domain.rates import Limit, Rate, limit_rate, spelled_price
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, TimeInForce
from chalicelib.domain.tokens import Token, Tokens


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an account wants changed, as it said it; None stays as it is.

    Attributes:
        limit_price: A decimal, per the same token as the price before.
        amount: In token units, of the same token as the amount before.
    """

    limit_price: str | None = None
    trigger_price: str | None = None
    amount: str | None = None
    expires_at: datetime | None = None


def amended(state: OrderState, changes: Amendment, tokens: Tokens, now: datetime) -> Order:
    """Return an order with other terms. Its id and the digest of what was accepted stay.

    Raises:
        FieldError: The order has no such term, or a new one breaks a rule.
    """
    order, terms = state.order, state.order.terms
    if changes.amount is not None:
        terms = replace(terms, amount_units=_amount(terms, changes.amount, tokens))
    if changes.trigger_price is not None:
        terms = _with_trigger_price(terms, changes.trigger_price, tokens, is_over=state.is_triggered)
    if changes.limit_price is not None and terms.limit is None:
        raise FieldError("limitPrice", "is not among the terms of this order")
    if terms.limit is not None:
        # Also under the same price: what it bounds is another amount, perhaps.
        price = terms.limit.price if changes.limit_price is None else changes.limit_price
        terms = replace(terms, limit=_limit(terms, price, tokens))
    if changes.expires_at is None:
        return replace(order, terms=terms)
    valid_until = Lifetime(TimeInForce.GTD, None, changes.expires_at).ends_at(now)
    terms = replace(terms, time_in_force=TimeInForce.GTD, valid_for_s=None, expires_at=changes.expires_at)
    return replace(order, terms=terms, valid_until=valid_until)


def _amount(terms: OrderTerms, amount: str, tokens: Tokens) -> int:
    token = tokens[terms.input_token if terms.swap_mode is SwapMode.EXACT_IN else terms.output_token]
    units = parse_units(amount, token.scale, field="amount")
    if units > token.max_order_units:
        most = format_units(token.max_order_units, token.scale)
        raise FieldError("amount", f"must be at most {most} {token.symbol}, about what all pools hold")
    return units


def _with_trigger_price(terms: OrderTerms, price: str, tokens: Tokens, *, is_over: bool) -> OrderTerms:
    if terms.trigger is None:
        raise FieldError("triggerPrice", "is not among the terms of this order")
    if is_over:
        raise FieldError("triggerPrice", "cannot change any more: the trigger has fired")
    rate = _rate(terms, price, tokens, field="triggerPrice")
    return replace(terms, trigger=replace(terms.trigger, price=spelled_price(price), rate=rate))


def _limit(terms: OrderTerms, price: str, tokens: Tokens) -> Limit:
    rate = _rate(terms, price, tokens, field="limitPrice")
    is_exact_in = terms.swap_mode is SwapMode.EXACT_IN
    other: Token = terms.bought_token(tokens) if is_exact_in else tokens[terms.input_token]
    limit = Limit(spelled_price(price), rate)
    limit.check(terms.swap_mode, terms.amount_units, other)
    return limit


def _rate(terms: OrderTerms, price: str, tokens: Tokens, *, field: str) -> Rate:
    return limit_rate(
        price,
        input_token=tokens[terms.input_token],
        output_token=terms.bought_token(tokens),
        price_base=terms.price_base,
        field=field,
    )
