"""Why the chain refused a transaction, in words for the order's owner."""

from chalicelib.domain.errors import Code, ExecutionError
from chalicelib.domain.orders import Order


def refusal(
    code: Code,
    order: Order,
    name: str | None = None,
    *,
    is_of_a_leg: bool = False,
    is_for_a_fee: bool = False,
    is_delegated: bool = False,
) -> ExecutionError:
    """Return why an order's transaction was refused, in words and by the program's own name for it.

    Args:
        is_of_a_leg: One leg of several was refused, by a threshold of its own: the order's may be kept yet.
        is_for_a_fee: The chain takes a fee, and the rent of accounts that a transaction makes: the wallet may
            hold too little for those.
        is_delegated: The owner has approved who signs for an amount, and pays for nothing else.
    """
    match code:
        case Code.SLIPPAGE_EXCEEDED if is_of_a_leg:
            message = "in one pool the price moved by more than its part of the swap allows for"
        case Code.INSUFFICIENT_LIQUIDITY if is_of_a_leg:
            message = "one pool could no longer fill its part of the swap when it landed"
        case Code.SLIPPAGE_EXCEEDED:
            bps = order.terms.slippage_bps
            beyond = "beyond the order's limit" if bps is None else f"by more than {bps} bps"
            message = f"the price moved {beyond} before the swap could land"
        case Code.INSUFFICIENT_FUNDS if is_delegated:
            token = order.terms.input_token
            message = f"the wallet no longer holds enough {token}, or has approved the desk for less of it"
        case Code.INSUFFICIENT_FUNDS:
            message = f"the account does not hold enough {order.terms.input_token}"
            if is_for_a_fee:
                message += ", or not enough SOL for the token accounts that the swap opens"
        case Code.INSUFFICIENT_LIQUIDITY:
            message = "the pools could no longer fill the order when it landed"
        case _:
            message = "the chain refused the transaction"
    return ExecutionError(code, f"{message} ({name})" if name else message)
