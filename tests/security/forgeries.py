"""What a captured function writes to make a lie look true, for the attacks."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chalicelib.adapters.postgres.event_chain import link
from chalicelib.adapters.simulated_market.transactions import wallet_of
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.statuses import OrderStatus
from tests.security.captured import Captured


def sent_order(it: Captured) -> UUID:
    order_id: UUID = it.one("SELECT order_id FROM orders WHERE status = 'submitted'").order_id
    return order_id


APPEND = """
    INSERT INTO order_events (order_id, seq, status, attempt, occurred_at, data, chain)
    VALUES (:id, :seq, :status, :attempt, :at, CAST(:data AS jsonb), :chain)
"""


def says(
    it: Captured,
    order_id: UUID,
    status: OrderStatus,
    data: dict[str, Any],
    *,
    chain: bytes = b"",
    is_last: bool = True,
) -> None:
    """Append an event as the application would, hash and all;
    the order shows the hash if it is its ``is_last``.
    """
    at = datetime.now(UTC)
    last = it.one(
        "SELECT seq, chain FROM order_events WHERE order_id = :id ORDER BY seq DESC LIMIT 1", id=order_id
    )
    event = OrderEvent(order_id, last.seq + 1, 2, at, Recorded(status, data))
    made = chain or link(bytes(last.chain), event, data)
    told = json.dumps(data)
    it.run(APPEND, id=order_id, seq=event.seq, status=status, attempt=2, at=at, data=told, chain=made)
    if is_last:
        it.run(
            "UPDATE orders SET chain = :chain WHERE order_id = :id AND seq = :seq AND status <> 'confirmed'",
            chain=made,
            id=order_id,
            seq=event.seq,
        )


def puts_on_record(it: Captured, order_id: UUID, account: str, at: datetime) -> None:
    it.run(
        "INSERT INTO orders"
        " (order_id, account_id, order_type, swap_mode, input_token, output_token, amount_units,"
        " price_base, slippage_bps, accepted_at, valid_until, content_sha256,"
        " status, seq, attempt, fence, lease_until)"
        " VALUES (:id, :account, 'market', 'exact_in', 'SOL', 'USDC', 125000000,"
        " 'SOL', 50, :at, :at, 'x', 'pending',"
        " 1, 1, 1, :at)",
        id=order_id,
        account=account,
        at=at,
    )


def books(
    it: Captured,
    order_id: UUID,
    *,
    output_units: int = 10**9,
    signature: str | None = None,
    booked_order_id: UUID | None = None,
    landed_at: str | None = None,
) -> None:
    """Write a transaction into the ledger, and move what it says it moved."""
    message = it.message_of(order_id)
    swap = message.instruction
    own = it.one("SELECT signature FROM attempts WHERE order_id = :id", id=order_id).signature
    pool = swap.paths[0].hops[0][0].pool_id
    paid = sum(leg.planned_units for path in swap.paths for leg in path.hops[0])
    legs = [
        {
            "pool_id": pool,
            "venue": "raydium",
            "token_in": swap.input_token,
            "token_out": swap.output_token,
            "input_units": paid,
            "output_units": output_units,
            "fee_units": 0,
            "fee_token": swap.input_token,
        }
    ]
    it.run(
        "INSERT INTO market.transactions (signature, slot, height, wallet, order_id, attempt, input_units,"
        " output_units, legs, landed_at)"
        " SELECT :signature, market.height_at(moment), market.height_at(moment),"
        " :wallet, :id, 1, :paid, :got,"
        " CAST(:legs AS jsonb), coalesce(CAST(:landed_at AS timestamptz), moment)"
        " FROM market.now() AS moment",
        signature=signature or own,
        wallet=message.wallet,
        id=booked_order_id or order_id,
        paid=paid,
        got=output_units,
        legs=json.dumps(legs),
        landed_at=landed_at,
    )
    for token, units in ((swap.input_token, paid), (swap.output_token, -output_units)):
        it.run(
            "UPDATE market.vaults SET tradable = tradable + :units WHERE (pool_id, token) = (:pool, :token)",
            units=units, pool=pool, token=token,
        )  # fmt: skip
        it.run(
            "UPDATE market.wallets SET balance = balance - :units WHERE (address, token) = (:wallet, :token)",
            units=units, wallet=message.wallet, token=token,
        )  # fmt: skip


def confirms(
    it: Captured, order_id: UUID, *, output_units: int, is_booked: bool = True, told: str | None = None
) -> None:
    """End an order as confirmed, with all that belongs to it."""
    if is_booked:
        books(it, order_id, output_units=output_units)
    row = it.one(
        "SELECT signature, amount_units FROM attempts JOIN orders USING (order_id) WHERE order_id = :id",
        id=order_id,
    )
    height = it.one("SELECT market.height_at(market.now()) AS height").height
    it.run("UPDATE attempts SET outcome = 'landed', resolved_at = now() WHERE order_id = :id", id=order_id)
    it.run(
        "UPDATE orders SET status = 'confirmed', seq = seq + 1, input_units = :paid, output_units = :got"
        " WHERE order_id = :id",
        id=order_id,
        paid=row.amount_units,
        got=output_units,
    )
    fill = {
        "txSignature": row.signature,
        "slot": height,
        "inputAmount": "0.125",
        "outputAmount": told or str(output_units // 10**6),
    }
    says(it, order_id, OrderStatus.CONFIRMED, fill)


def forges_an_order(it: Captured, account: str, *, signature: str = "", payload: bytes = b"") -> None:
    """Put a complete confirmed order on record, with a wallet of one's own and the pools' money."""
    sent = it.message_of(sent_order(it)).instruction
    order_id, wallet = uuid.uuid4(), wallet_of(b"a key of the attacker's", account)
    it.run(
        'SELECT market.open_wallets(CAST(:a AS jsonb), \'["SOL", "USDC"]\', true)',
        a=json.dumps([wallet.address]),
    )
    made = it.signed(wallet, replace(sent, account_id=account, order_id=order_id, threshold_units=1))
    signature, payload = signature or made.signature, payload or made.payload
    at = datetime.now(UTC)
    puts_on_record(it, order_id, account, at)
    it.run(
        "INSERT INTO attempts (signature, order_id, attempt, payload, last_valid_height, quoted_in_units,"
        " quoted_out_units, threshold_units, fence)"
        " VALUES (:signature, :id, 1, :payload, :height, 1, 1, 1, 1)",
        signature=signature,
        id=order_id,
        payload=payload,
        height=made.last_valid_height,
    )
    statuses: tuple[tuple[OrderStatus, dict[str, str]], ...] = (
        (OrderStatus.PENDING, {}),
        (OrderStatus.ROUTING, {}),
        (OrderStatus.ROUTED, {}),
        (OrderStatus.BUILDING, {}),
        (OrderStatus.SUBMITTED, {"txSignature": signature}),
    )
    chain = b""
    for seq, (status, data) in enumerate(statuses, 1):
        chain = link(chain, OrderEvent(order_id, seq, 1, at, Recorded(status, data)), data)
        told = json.dumps(data)
        it.run(APPEND, id=order_id, seq=seq, status=status, attempt=1, at=at, data=told, chain=chain)
    it.run(
        "UPDATE orders SET status = 'submitted', seq = 5, tx_signature = :signature WHERE order_id = :id",
        signature=signature,
        id=order_id,
    )
    if payload == made.payload:
        confirms(it, order_id, output_units=10**9)
