"""A chain that takes longer than a consumer waits: orders go back to the queue, and each of them that has one
message is told once.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import an_instance, tracebacks
from tests.e2e.trader import FINAL, LIFE, TIME_LIMIT_S, Trader
from tests.support.instance import Instance

SLOW = {"QUOTE_LATENCY_MS": "0", "SETTLEMENT_LATENCY_MS": "1600", "CONFIRMATION_WAIT_MS": "100"}
SEQS = list(range(1, len(LIFE) + 1))


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with an_instance(tmp_path_factory.mktemp("slow") / "state", environment=SLOW) as instance:
        yield instance
    assert tracebacks(instance) == []


@pytest.mark.parametrize("query", [{}, {"batch": "1"}])
def test_orders_that_come_back_to_the_queue_are_published_once(
    instance: Instance, query: dict[str, str]
) -> None:
    with Trader(instance.websocket_url, query) as trader:
        order_ids = [trader.submit(side="sell", amount=f"0.{n}") for n in range(10, 35)]
        for order_id in order_ids:
            trader.finished(order_id)
        assert trader.is_open()
    seen = {order_id: [event["seq"] for event in trader.events(order_id)] for order_id in order_ids}
    assert seen == dict.fromkeys(order_ids, SEQS)
    accepted = [frame["orderId"] for frame in trader.frames if frame["type"] == "accepted"]
    assert sorted(accepted) == sorted(order_ids)


def wait_for_submitted(trader: Trader, order_id: str) -> None:
    trader.until(lambda: any(event["status"] == "submitted" for event in trader.events(order_id)))


def test_connection_that_unsubscribed_receives_nothing_of_what_comes_after(instance: Instance) -> None:
    with (
        Trader(instance.websocket_url) as trader,
        Trader(instance.websocket_url) as other,
        httpx.Client(base_url=instance.rest_url, timeout=TIME_LIMIT_S) as rest,
    ):
        has_ended = True
        while has_ended:  # before it was known that the connection has unsubscribed, as on a busy machine
            order_id = trader.submit(side="sell", amount="0.1")
            wait_for_submitted(trader, order_id)
            trader.ask(action="unsubscribe", orderId=order_id)
            has_ended = rest.get(f"/orders/{order_id}").json()["status"] in FINAL
        other.ask(action="subscribe", orderId=order_id)
        assert other.finished(order_id)[-1]["status"] == "confirmed"
        assert trader.is_open()
        assert [event["seq"] for event in trader.events(order_id)] == SEQS[:-1]


def test_second_submission_of_an_order_is_subscribed_to_its_end(instance: Instance) -> None:
    terms = {"clientOrderId": "twice", "side": "sell", "amount": "0.1"}
    with Trader(instance.websocket_url) as first, Trader(instance.websocket_url) as second:
        order_id = first.submit(**terms)
        assert second.submit(**terms) == order_id
        # The second one's message may be taken up alone, after the end: then it tells the end once more.
        for trader in (first, second):
            events = trader.put_right(order_id)
            assert [event["seq"] for event in events] == SEQS
            assert events[-1]["status"] == "confirmed"
        assert first.is_open()
        first.put_right(order_id)
