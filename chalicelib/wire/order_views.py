"""An order in wire form, as REST shows it."""

from datetime import datetime

from chalicelib.domain.amounts import format_units
from chalicelib.domain.orders import OrderState
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.conditions import condition_views
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.moments import rfc3339
from chalicelib.wire.order_fields import WireSwapMode


def order_view(state: OrderState, last_event: JsonObject, updated_at: datetime, tokens: Tokens) -> JsonObject:
    """Return an order's terms, where it stands, and the fields
    of its last event, which never cover the former.

    The amount is None if its token is not known, and so it is not known how many decimals it has.
    """
    order, terms = state.order, state.order.terms
    is_exact_in = terms.swap_mode is SwapMode.EXACT_IN
    amount_token = tokens.find(terms.input_token if is_exact_in else terms.output_token)
    return {
        **last_event,
        "orderId": str(order.order_id),
        "clientOrderId": terms.client_order_id,
        "status": state.status,
        "seq": state.seq,
        "attempt": state.attempt,
        "type": terms.order_type,
        "inputToken": terms.input_token,
        "outputToken": terms.output_token,
        "swapMode": WireSwapMode.EXACT_IN if is_exact_in else WireSwapMode.EXACT_OUT,
        "amount": None if amount_token is None else format_units(terms.amount_units, amount_token.scale),
        "priceBase": terms.price_base,
        "slippageBps": terms.slippage_bps,
        **condition_views(terms, tokens),
        "acceptedAt": rfc3339(order.accepted_at),
        "validUntil": None if order.valid_until is None else rfc3339(order.valid_until),
        "updatedAt": rfc3339(updated_at),
    }
