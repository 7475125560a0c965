"""An order in wire form, as REST shows it."""

from chalicelib.amm.swaps import SwapMode
from chalicelib.domain.amounts import format_units
from chalicelib.domain.orders import JsonObject, OrderState
from chalicelib.domain.tokens import Tokens
from chalicelib.wire.order_fields import WireSwapMode
from chalicelib.wire.server_frames import rfc3339


def order_view(state: OrderState, last_event: JsonObject, updated_at: str, tokens: Tokens) -> JsonObject:
    """Return an order's terms, where it stands, and the fields
    of its last event, which never cover the former.

    The amount is None if its token is not listed any more, and so it is not known how many decimals it had.
    """
    order = state.order
    is_exact_in = order.swap_mode is SwapMode.EXACT_IN
    amount_token = order.input_token if is_exact_in else order.output_token
    return {
        **last_event,
        "orderId": str(order.order_id),
        "clientOrderId": order.client_order_id,
        "status": state.status,
        "seq": state.seq,
        "attempt": state.attempt,
        "type": order.order_type,
        "inputToken": order.input_token,
        "outputToken": order.output_token,
        "swapMode": WireSwapMode.EXACT_IN if is_exact_in else WireSwapMode.EXACT_OUT,
        "amount": format_units(order.amount_units, tokens[amount_token].scale)
        if amount_token in tokens
        else None,
        "slippageBps": order.slippage_bps,
        "acceptedAt": rfc3339(order.accepted_at),
        "validUntil": rfc3339(order.valid_until),
        "updatedAt": updated_at,
    }
