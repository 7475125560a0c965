"""Functions of 0.2.0 beside this release's: what they write of orders that wait, which they do not know."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.queue_messages import ResumeMessage
from chalicelib.domain.statuses import OrderStatus
from chalicelib.wire.queue_messages import render_message
from tests.integration.consumer import Consumer
from tests.integration.release_0_2_0 import CANCEL, CLAIM, RECORD
from tests.integration.test_resting_orders import RESTS, SELL, Desk, S, desk

__all__ = ["desk"]

STOP = SELL | {"trigger": {"price": "140", "when": "below"}}
SNIPER = {
    "type": "sniper",
    "inputToken": "USDC",
    "outputToken": "NeverTraded11111111111111111111111111111111",
    "amount": "20",
    "sniper": {},
}
LIMIT = SELL | {"type": "limit", "limitPrice": "170"}


class Older:
    """A function of 0.2.0, on the same database."""

    def __init__(self, consumer: Consumer) -> None:
        self._engine = consumer.services.engine

    def moves(self, order_id: UUID, *statuses: OrderStatus) -> bool:
        """Claim an order and record its next events at once; return whether that counted."""
        at = datetime.now(UTC).isoformat()
        with self._engine.begin() as connection:
            held = connection.execute(CLAIM, {"order_ids": [order_id], "lease_ms": 0}).one()
            named, events, chain = {"order_id": str(order_id), "attempt": 1}, [], held.chain
            for seq, status in enumerate(statuses, held.seq + 1):
                chain = hashlib.sha256(
                    chain + f"{order_id}|{seq}|{status.value}|1|{at}|{{}}".encode()
                ).digest()
                what = {"seq": seq, "status": status, "chain": f"\\x{chain.hex()}"}
                events.append(named | what | {"occurred_at": at, "data": {}})
            step = events[-1] | {"fence": held.fence, "from_seq": held.seq, "lease_ms": 0, "told_seq": 0}
            rows = {"steps": [step], "events": events}
            return bool(connection.execute(RECORD, {name: json.dumps(of) for name, of in rows.items()}).all())

    def cancels(self, order_id: UUID) -> bool:
        """Cancel an order for its owner; return whether that counted."""
        at = datetime.now(UTC)
        named = {"order_id": str(order_id), "account_id": "local", "at": at, "at_text": at.isoformat()}
        with self._engine.begin() as connection:
            return bool(connection.execute(CANCEL, named).all())


@pytest.fixture
def older(consumer: Consumer) -> Older:
    return Older(consumer)


@pytest.mark.parametrize("terms", [STOP, SNIPER, LIMIT], ids=["stop", "sniper", "limit"])
@pytest.mark.parametrize(
    "steps",
    [(S.ROUTING,), (S.ROUTING, S.ROUTED, S.BUILDING, S.SUBMITTED), (S.FAILED,)],
    ids=["route", "send", "fail"],
)
def test_order_that_waits_is_not_taken_up_by_a_release_that_cannot_see_for_what(
    desk: Desk, older: Older, terms: dict[str, Any], steps: tuple[OrderStatus, ...]
) -> None:
    order_id = desk.submit(terms)

    assert not older.moves(order_id, *steps)

    assert (desk.statuses(order_id), desk.watched()) == (RESTS, 1)
    desk.consumer.put(render_message(ResumeMessage(order_id=order_id)))
    assert desk.consumer.run()[1] == []
    assert desk.statuses(order_id) == RESTS


@pytest.mark.parametrize("terms", [STOP, SNIPER, LIMIT], ids=["stop", "sniper", "limit"])
def test_order_that_an_older_release_ends_is_watched_no_more(
    desk: Desk, older: Older, terms: dict[str, Any]
) -> None:
    canceled, expired = desk.submit(terms), desk.submit(terms)

    assert older.cancels(canceled)
    assert older.moves(expired, S.EXPIRED)

    assert (desk.statuses(canceled), desk.statuses(expired)) == ([*RESTS, S.CANCELED], [*RESTS, S.EXPIRED])
    assert desk.watched() == 0
