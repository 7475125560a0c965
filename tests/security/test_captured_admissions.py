"""What neither rights nor the audit keep a captured function from: the threat model admits each."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.postgres.event_chain import link
from chalicelib.domain.events import OrderEvent, Recorded
from chalicelib.domain.statuses import OrderStatus
from tests.security.captured import Captured, Exchange
from tests.security.forgeries import APPEND, puts_on_record, says, sent_order
from tests.support.instance import REPOSITORY

THREAT_MODEL = REPOSITORY / "docs" / "threat-model.md"


Attack = Callable[[Captured], object]


def places_an_order_for_another(it: Captured) -> None:
    order_id, at = uuid.uuid4(), datetime.now(UTC)
    puts_on_record(it, order_id, "bob", at)
    chain = link(b"", OrderEvent(order_id, 1, 1, at, Recorded(OrderStatus.PENDING, {})), {})
    it.run(APPEND, id=order_id, seq=1, status="pending", attempt=1, at=at, data="{}", chain=chain)
    it.run("UPDATE orders SET chain = :chain WHERE order_id = :id", id=order_id, chain=chain)


def ends_an_order_of_another(it: Captured) -> None:
    order_id = sent_order(it)
    it.run("UPDATE attempts SET outcome = 'dead', resolved_at = now() WHERE order_id = :id", id=order_id)
    says(it, order_id, OrderStatus.FAILED, {"code": "MINE"}, is_last=False)
    it.run(
        "UPDATE orders SET status = 'failed', failure_code = 'MINE', seq = 6,"
        " chain = (SELECT chain FROM order_events WHERE order_id = :id AND seq = 6) WHERE order_id = :id",
        id=order_id,
    )


SUBSCRIBE_TO_ALL = """
    INSERT INTO subscriptions (connection_id, order_id, account_id, live, replayed_to)
    SELECT 'mine', order_id, account_id, true, 0 FROM orders
"""


RESERVE = (
    "INSERT INTO client_order_keys (account_id, client_order_id, content_sha256) VALUES ('bob', 'next', 'x')"
)


ARCHIVE = "INSERT INTO dead_letters (message_id, body, receive_count, reason) VALUES ('x', 'x', 1, 'x')"


NOT_PREVENTED: list[tuple[str | Attack, str]] = [
    ("SELECT * FROM orders WHERE account_id = 'bob'", "read every account's orders"),
    (SUBSCRIBE_TO_ALL, "have them published to a connection"),
    ("UPDATE connections SET expires_at = 'infinity'", "past the end of its token"),
    ("DELETE FROM subscriptions", "keep owners from being notified"),
    ("DELETE FROM connections", "keep owners from being notified"),
    (places_an_order_for_another, "place orders in any account's name"),
    (ends_an_order_of_another, "end orders that are not final"),
    ("UPDATE orders SET lease_until = 'infinity' WHERE status = 'submitted'", "hold orders up"),
    ("DELETE FROM market.mempool", "dropping what is on its way"),
    (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid < 0",
        "ending sessions of its own login",
    ),
    (RESERVE, "reserve other accounts' `clientOrderId`s"),
    (ARCHIVE, "archive dead letters that never were"),
    ("SELECT market.open_wallets('[\"mine\"]', '[\"SOL\"]', true)", "open wallets with the faucet's sum"),
    ("SELECT lo_create(0)", "fill the disk"),
    ("SELECT pg_advisory_xact_lock(120265298896244)", "hold locks"),
]


@pytest.mark.parametrize(("attack", "admission"), NOT_PREVENTED)
def test_what_neither_prevents_nor_finds_is_admitted(
    attacker: Captured, attack: str | Attack, admission: str
) -> None:
    if isinstance(attack, str):
        attacker.run(attack)
    else:
        attack(attacker)
    assert attacker.findings() == set()
    assert admission in " ".join(THREAT_MODEL.read_text(encoding="utf-8").split())


def test_login_can_change_its_own_password(exchange: Exchange) -> None:
    """Which the threat model admits: no right that could be taken away is needed for it."""
    with exchange.app.connect() as connection:
        connection.exec_driver_sql("ALTER ROLE CURRENT_USER PASSWORD 'mine'")
        connection.rollback()
    assert "change its login's password" in THREAT_MODEL.read_text(encoding="utf-8")
