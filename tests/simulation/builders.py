"""Orders and transactions that name only what matters."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from chalicelib.domain.orders import Order
from chalicelib.domain.progress import OpenAttempt
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType
from chalicelib.domain.transactions import SignedTransaction

NAMESPACE = UUID(int=7)
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def an_order(name: str, *, account_id: str = "alice") -> Order:
    return Order(
        order_id=uuid5(NAMESPACE, f"{account_id}:{name}"),
        account_id=account_id,
        terms=OrderTerms(
            client_order_id=name,
            order_type=OrderType.MARKET,
            swap_mode=SwapMode.EXACT_IN,
            input_token="SOL",
            output_token="USDC",
            amount_units=10**9,
            price_base="SOL",
            slippage_bps=50,
            valid_for_s=60,
        ),
        accepted_at=MOMENT,
        valid_until=MOMENT + timedelta(seconds=60),
        content_sha256=hashlib.sha256(name.encode()).hexdigest(),
    )


def an_attempt(order: Order, number: int, salt: int = 0) -> OpenAttempt:
    payload = f"{order.order_id}:{number}:{salt}".encode()
    transaction = SignedTransaction(hashlib.sha256(payload).hexdigest(), payload, 1_150)
    return OpenAttempt(transaction, number, 10**9, 2 * 10**8, 199 * 10**6 - salt % 5)
