"""The database's connections are all lost at one exchange of a dead letter's way, each in its turn, once the
server is done with it. The letter's order ends once all the same, and its client has all of it.
"""

import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import pytest

from chalice_offline.event_source.records import batch_event
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.statuses import OrderStatus
from chalicelib.handlers.queue import execute_orders, settle_dead_letters
from tests.fakes.orders import terms
from tests.integration.test_lost_connections import (
    LEASE_MS,
    Desk,
    _short_leases,
    assert_sound,
    desk,
    direct_url,
    each_exchange,
    market_url,
    proxy,
)
from tests.support.cutting_proxy import Moment

__all__ = ["_short_leases", "desk", "direct_url", "market_url", "proxy"]

LETTERS: Final = 20
"""More than exchanges."""

LEASE_S: Final = 1.1 * LEASE_MS / 1000


def received(bodies: Sequence[str]) -> dict[str, Any]:
    messages = [
        {
            "MessageId": str(place),
            "ReceiptHandle": str(place),
            "Body": body,
            "MD5OfBody": "",
            "Attributes": {"ApproximateReceiveCount": "40", "SentTimestamp": "0"},
        }
        for place, body in enumerate(bodies)
    ]
    return batch_event(messages, "arn:aws:sqs:us-east-1:000000000000:orders-dlq")


@pytest.mark.parametrize("is_sent", [True, False])
def test_order_among_the_dead_letters_ends_once_and_its_client_has_all_of_it(
    desk: Desk, direct_url: str, monkeypatch: pytest.MonkeyPatch, *, is_sent: bool
) -> None:
    moment: Moment = "after"
    names = [f"{moment}-{number}-{is_sent}" for number in range(LETTERS)]
    orders = [(desk.submit(terms(client_order_id=name), name), name) for name in names]
    bodies = [message.body for message in desk.queue.sent]
    desk.queue.sent.clear()
    if is_sent:
        consumed_without_an_answer(desk, bodies, monkeypatch)
    time.sleep(LEASE_S)
    settled: list[tuple[UUID, str]] = []

    def settle(_: str) -> None:
        letter = received(bodies[len(settled) : len(settled) + 1])
        settled.append(orders[len(settled)])
        while settle_dead_letters(letter)["batchItemFailures"]:
            time.sleep(LEASE_S)

    assert len(list(each_exchange(desk, moment, settle))) < LETTERS
    settle_dead_letters(received(bodies[len(settled) :]))
    assert_sound(desk, direct_url, settled, OrderStatus.CONFIRMED if is_sent else OrderStatus.FAILED)


def consumed_without_an_answer(desk: Desk, bodies: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have orders sent, and no consumer find out what became of them."""

    def silent(_: Sequence[str]) -> None:
        raise RetryableError("the chain does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(desk.consumer.services.market.chain, "view", silent)
        for start in range(0, len(bodies), 10):
            execute_orders(received(bodies[start : start + 10]))
