"""An order as a client writes it, and what it means."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from chalicelib.domain.amounts import format_units, parse_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.launches import check_sniper_mode
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, Side, SwapWish
from chalicelib.domain.tokens import Token, Tokens
from chalicelib.wire.fields import AmountText, ClientOrderId, PrintableText, WireModel
from chalicelib.wire.resting_fields import RestingFields, meant_fields

ORDER_FIELDS: Final = frozenset({"inputToken", "outputToken", "amount", "side", "baseAsset", "quoteAsset"})
"""A message with any of these, and no action, is an order."""

_WHOLE_NUMBERS: Final = frozenset(
    {"slippageBps", "validForSeconds", "confirmations", "maxFeeBps", "maxDelayBlocks", "decimals"}
)
_NESTED: Final = ("trigger", "sniper")
_URL_NAMES: Final = frozenset({"requestId", "batch", "afterSeq", "token"})
"""What a connection URL may say beside an order."""


class WireSwapMode(StrEnum):
    EXACT_IN = "exactIn"
    EXACT_OUT = "exactOut"


class SwapFields(WireModel):
    """What to swap: by tokens, or by side and assets."""

    input_token: PrintableText | None = None
    output_token: PrintableText | None = None
    swap_mode: WireSwapMode | None = None
    side: Side | None = None
    base_asset: PrintableText | None = None
    quote_asset: PrintableText | None = None
    amount: AmountText

    @property
    def named_tokens(self) -> tuple[str, ...]:
        """The names whose decimals have to be known."""
        return tuple(filter(None, (self.input_token, self.output_token, self.base_asset, self.quote_asset)))


class OrderFields(RestingFields, SwapFields):
    """All that a client may say of an order."""

    client_order_id: ClientOrderId | None = None

    @property
    def named_tokens(self) -> tuple[str, ...]:
        """The same; of what a sniper order buys, nothing has to be."""
        if self.type is not OrderType.SNIPER:
            return super().named_tokens
        return tuple(filter(None, (self.input_token, self.base_asset)))

    def terms(self, tokens: Tokens) -> OrderTerms:
        """Return what the fields mean.

        Raises:
            FieldError: They do not fit together, or name what cannot be traded.
        """
        swap = swap_terms(self, tokens, buys_new=self.type is OrderType.SNIPER)
        resting = self.resting_terms(swap, tokens)
        return OrderTerms(
            client_order_id=self.client_order_id,
            order_type=self.type,
            swap_mode=swap.swap_mode,
            input_token=swap.input_token,
            output_token=swap.output_token,
            amount_units=swap.amount_units,
            price_base=swap.price_base,
            slippage_bps=resting.slippage_bps,
            valid_for_s=resting.lifetime.valid_for_s,
            limit=resting.limit,
            trigger=resting.trigger,
            sniper=resting.sniper,
            time_in_force=resting.lifetime.time_in_force,
            expires_at=resting.lifetime.expires_at,
            output_decimals=self.said_decimals,
        )


def order_fields_from_query(query: Mapping[str, str]) -> OrderFields:
    """Return the order that a connection URL carries.

    ``trigger.price`` stands for the ``price`` of a trigger.

    Raises:
        InvalidRequestError: It breaks a rule.
    """
    if "orderId" in query:
        # A client that comes back with the URL of its order and the order's id would submit it once more.
        raise FieldError("orderId", "does not go with an order: a URL submits one, or subscribes to one")
    members: dict[str, Any] = {}
    for name, text in query.items():
        outer, _, inner = name.partition(".")
        if inner and outer in _NESTED:
            members.setdefault(outer, {})[inner] = _number_if_it_is_one(inner, text)
        elif outer in _NESTED:
            raise FieldError(outer, f"must be given by its members, such as {outer}.price")
        else:
            members[name] = _number_if_it_is_one(name, text)
    return meant_fields(OrderFields, members, also=_URL_NAMES)


def _number_if_it_is_one(name: str, text: str) -> str | int:
    # Everything in a URL is text; ten digits are more than any of these may have.
    is_number = name in _WHOLE_NUMBERS and text.isascii() and text.isdigit() and len(text) <= 10
    return int(text) if is_number else text


def swap_terms(fields: SwapFields, tokens: Tokens, *, buys_new: bool = False) -> SwapWish:
    """Return tokens, mode and amount, whichever way the client said them.

    Args:
        buys_new: Whether ``outputToken`` may be the address of a mint that is not listed.

    Raises:
        FieldError: The fields do not fit together, or name what cannot be traded.
    """
    by_side = fields.side is not None or fields.base_asset is not None or fields.quote_asset is not None
    return (_by_side if by_side else _by_tokens)(fields, tokens, buys_new=buys_new)


def _by_tokens(fields: SwapFields, tokens: Tokens, *, buys_new: bool) -> SwapWish:
    given = tokens.named(_required(fields.input_token, "inputToken"), field="inputToken")
    find = tokens.named_or_new if buys_new else tokens.named
    wanted = find(_required(fields.output_token, "outputToken"), field="outputToken")
    if given.symbol == wanted.symbol:
        raise FieldError("outputToken", "must differ from inputToken")
    if fields.swap_mode is WireSwapMode.EXACT_OUT:
        if wanted.symbol not in tokens:
            check_sniper_mode(SwapMode.EXACT_OUT)
        return _wish(SwapMode.EXACT_OUT, given, wanted, _amount(fields, wanted), given)
    return _wish(SwapMode.EXACT_IN, given, wanted, _amount(fields, given), given)


def _by_side(fields: SwapFields, tokens: Tokens, *, buys_new: bool) -> SwapWish:
    for name, value in (("inputToken", fields.input_token), ("outputToken", fields.output_token)):
        if value is not None:
            raise FieldError(name, "does not go with side, baseAsset or quoteAsset")
    if fields.swap_mode is not None:
        raise FieldError("swapMode", "does not go with side: a buy is exactOut, a sell exactIn")
    if fields.side is None:
        raise FieldError("side", "is required with baseAsset and quoteAsset")
    if fields.base_asset is None and fields.quote_asset is None:
        base, quote = tokens[tokens.default_pair.base], tokens[tokens.default_pair.quote]
    else:
        find = tokens.named_or_new if buys_new else tokens.named
        is_sell = fields.side is Side.SELL
        base = (tokens.named if is_sell else find)(
            _required(fields.base_asset, "baseAsset"), field="baseAsset"
        )
        quote = (find if is_sell else tokens.named)(
            _required(fields.quote_asset, "quoteAsset"), field="quoteAsset"
        )
    if base == quote:
        raise FieldError("quoteAsset", "must differ from baseAsset")
    if buys_new and fields.side is Side.BUY:
        raise FieldError("side", "must be sell for a sniper order: it names what it gives")
    units = _amount(fields, base)
    if fields.side is Side.BUY:
        return _wish(SwapMode.EXACT_OUT, quote, base, units, base)
    return _wish(SwapMode.EXACT_IN, base, quote, units, base)


def _wish(mode: SwapMode, given: Token, wanted: Token, amount_units: int, price_base: Token) -> SwapWish:
    return SwapWish(mode, given.symbol, wanted.symbol, amount_units, price_base.symbol)


def _amount(fields: SwapFields, token: Token) -> int:
    units = parse_units(fields.amount, token.scale, field="amount")
    if units > token.max_order_units:
        most = format_units(token.max_order_units, token.scale)
        raise FieldError("amount", f"must be at most {most} {token.symbol}, about what all pools hold")
    return units


def _required(value: str | None, field: str) -> str:
    if value is None:
        raise FieldError(field, "is required")
    return value
