"""Subscribing to orders: replay, then live; again after a lost connection; all of the account;
and no more of it.
"""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import Connect, an_instance, tracebacks
from tests.e2e.trader import (
    FINAL,
    LIFE,
    TIME_LIMIT_S,
    Trader,
    assert_whole,
    following,
    is_final,
    statuses,
)
from tests.support.instance import Instance

EXACT_OUT = {"inputToken": "USDC", "outputToken": "SOL", "amount": "2.5", "swapMode": "exactOut"}
SLOW = {
    "QUOTE_LATENCY_MS": "100",
    "SETTLEMENT_LATENCY_MS": "600",
    # As long as the function may take: how soon an order is on record says how busy the machine is.
    "ORDER_LOOKUP_WAIT_MS": "8000",
}


@pytest.fixture(scope="module")
def slow_instance(tmp_path_factory: pytest.TempPathFactory, instance: Instance) -> Iterator[Instance]:
    """An instance that leaves time to act while an order is on its way; it runs beside the shared one."""
    with an_instance(tmp_path_factory.mktemp("slow") / "state", environment=SLOW) as slow:
        assert slow.port != instance.port
        yield slow
    assert tracebacks(slow) == []


@pytest.fixture
def slow_trader(slow_instance: Instance) -> Iterator[Trader]:
    with Trader(slow_instance.websocket_url) as trader:
        yield trader


@pytest.fixture(scope="module")
def slow_rest(slow_instance: Instance) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=slow_instance.rest_url, timeout=TIME_LIMIT_S) as client:
        yield client


def wait_for(trader: Trader, order_id: str, status: str) -> None:
    trader.until(lambda: status in statuses(trader.events(order_id)))


def test_subscriber_gets_the_events_after_the_one_named(trader: Trader, connect: Connect) -> None:
    order_id = trader.submit(side="buy", amount="0.1")
    trader.finished(order_id)
    subscriber = connect()
    answer = subscriber.ask(action="subscribe", orderId=order_id, afterSeq=3)
    assert answer == {"type": "subscribed", "requestId": "r1", "orderId": order_id}
    events = subscriber.finished(order_id)
    assert statuses(events) == LIFE[3:]
    assert_whole(events, after_seq=3)
    assert subscriber.frames[0] == answer


def test_replay_from_the_url_starts_after_the_event_named(trader: Trader, connect: Connect) -> None:
    order_id = trader.submit(side="buy", amount="0.1")
    trader.finished(order_id)
    assert statuses(connect(orderId=order_id, afterSeq="4").finished(order_id)) == LIFE[4:]


def test_replay_equals_what_was_seen_live(trader: Trader, connect: Connect) -> None:
    order_id = trader.submit(side="sell", amount="0.1", clientOrderId="replayed")
    live = trader.finished(order_id)
    assert connect(orderId=order_id).finished(order_id) == live


def test_subscriber_that_has_seen_everything_gets_nothing(trader: Trader) -> None:
    order_id = trader.submit(side="buy", amount="0.1")
    trader.finished(order_id)
    frames_before = len(trader.frames)
    trader.ask(action="subscribe", orderId=order_id, afterSeq=6)
    trader.ask(action="subscribe", orderId=order_id, afterSeq=2**31 - 1)
    assert trader.is_open()
    assert [frame["type"] for frame in trader.frames[frames_before:]] == ["subscribed", "subscribed", "pong"]


def test_order_can_be_read_as_soon_as_it_is_accepted(slow_rest: httpx.Client) -> None:
    order_id = slow_rest.post("/orders", json={"side": "sell", "amount": "0.1"}).json()["orderId"]
    assert slow_rest.get(f"/orders/{order_id}").json()["orderId"] == order_id


def test_reconnect_in_mid_order_sees_the_rest_without_gap_or_repetition(slow_instance: Instance) -> None:
    with Trader(slow_instance.websocket_url) as first:
        order_id = first.submit(side="buy", amount="0.1")
        wait_for(first, order_id, "routed")
        seen = first.events(order_id)
    assert not is_final(seen[-1])
    with Trader(slow_instance.websocket_url) as second:
        second.ask(action="subscribe", orderId=order_id, afterSeq=seen[-1]["seq"])
        rest = second.finished(order_id)
    assert_whole([*seen, *rest])
    assert statuses([*seen, *rest]) == LIFE


def test_every_subscriber_of_an_order_gets_all_of_its_events(
    slow_trader: Trader, slow_instance: Instance
) -> None:
    order_id = slow_trader.submit(side="buy", amount="0.1")
    with following(slow_instance.websocket_url, order_id) as other:
        assert_whole(other.finished(order_id))
    assert_whole(slow_trader.finished(order_id))


def test_subscriber_without_an_order_id_gets_unfinished_and_later_orders(
    slow_trader: Trader, slow_instance: Instance, slow_rest: httpx.Client
) -> None:
    has_ended = True
    while has_ended:  # before it was subscribed to, as on a busy machine
        before = slow_trader.submit(side="buy", amount="0.1")
        wait_for(slow_trader, before, "pending")
        with Trader(slow_instance.websocket_url) as watcher:
            assert watcher.ask(action="subscribe")["orderId"] is None
            has_ended = slow_rest.get(f"/orders/{before}").json()["status"] in FINAL
            after = slow_trader.submit(side="sell", amount="0.2")
            for order_id in [after] if has_ended else [before, after]:
                events = watcher.finished(order_id)
                assert statuses(events) == LIFE
                assert_whole(events)
            slow_trader.finished(after)


def test_unsubscribed_connection_receives_no_more_of_the_order(
    slow_trader: Trader, slow_instance: Instance, slow_rest: httpx.Client
) -> None:
    has_ended = True
    while has_ended:  # before it was known that the connection has unsubscribed, as on a busy machine
        order_id = slow_trader.submit(side="buy", amount="0.1")
        wait_for(slow_trader, order_id, "submitted")
        answer = slow_trader.ask(action="unsubscribe", orderId=order_id)
        assert answer["type"] == "unsubscribed"
        received = slow_trader.events(order_id)
        has_ended = slow_rest.get(f"/orders/{order_id}").json()["status"] in FINAL
    with Trader(slow_instance.websocket_url, {"orderId": order_id}) as other:
        other.finished(order_id)
    assert slow_trader.is_open()
    assert slow_trader.events(order_id) == received


def test_cancel_ends_an_order_that_was_not_sent_or_says_that_it_was(
    slow_instance: Instance, slow_trader: Trader
) -> None:
    order_id = slow_trader.submit(side="buy", amount="0.1")
    wait_for(slow_trader, order_id, "pending")
    slow_trader.send(action="cancel", requestId="cancel", orderId=order_id)
    # The cancel tells its event by itself, beside the consumer, which may be telling those before it.
    events = slow_trader.put_right(order_id)
    last = events[-1]
    slow_instance.line(f" {order_id[:8]}…{order_id[-4:]} {last['status']}")
    refusals = [frame for frame in slow_trader.frames if frame["type"] == "error"]
    if last["status"] == "canceled":
        assert refusals == []
        assert "submitted" not in statuses(events)
    else:
        assert [refusal["code"] for refusal in refusals] == ["ORDER_ALREADY_SENT"]
    assert_whole(events)


def test_same_client_order_id_and_terms_is_the_same_order(trader: Trader) -> None:
    wish = {"side": "buy", "amount": "0.1", "clientOrderId": "once"}
    order_id = trader.submit(**wish)
    first = trader.finished(order_id)
    assert trader.submit(**wish) == order_id
    assert trader.is_open()
    replayed = trader.until(lambda: all_of if len(all_of := trader.events(order_id)) >= 12 else None)
    assert replayed == first * 2


def test_same_client_order_id_with_other_terms_is_refused(trader: Trader) -> None:
    order_id = trader.submit(side="buy", amount="0.1", clientOrderId="taken")
    error = trader.ask(side="buy", amount="0.2", clientOrderId="taken")
    assert error["code"] == "CLIENT_ORDER_ID_CONFLICT"
    assert error["details"][0]["field"] == "clientOrderId"
    assert trader.finished(order_id)[-1]["outputAmount"] == "0.1"


@pytest.mark.parametrize(
    ("wish", "exact", "amount"),
    [
        ({"inputToken": "SOL", "outputToken": "USDC", "amount": "2.5"}, "inputAmount", "2.5"),
        (EXACT_OUT, "outputAmount", "2.5"),
        ({"side": "buy", "baseAsset": "ETH", "quoteAsset": "USDC", "amount": "0.25"}, "outputAmount", "0.25"),
        ({"side": "sell", "baseAsset": "BONK", "quoteAsset": "SOL", "amount": 25000}, "inputAmount", "25000"),
        ({"inputToken": "bonk", "outputToken": "RAY", "amount": "1000000"}, "inputAmount", "1000000"),
    ],
)  # fmt: skip
def test_exact_side_of_a_swap_is_exact(trader: Trader, wish: dict[str, str], exact: str, amount: str) -> None:
    events = trader.finished(trader.submit(**wish))
    assert statuses(events) == LIFE
    assert events[-1][exact] == amount
    assert events[2][exact] == amount


def test_order_too_small_to_buy_one_unit_fails_with_a_reason(trader: Trader) -> None:
    events = trader.finished(trader.submit(inputToken="BONK", outputToken="ETH", amount="0.00001"))
    failed = events[-1]
    assert (failed["status"], failed["code"]) == ("failed", "INSUFFICIENT_LIQUIDITY")
    assert failed["attempts"] == 1
    assert failed["message"]
    assert_whole(events)


def test_quote_names_every_venue_and_beats_the_best_single_pool(trader: Trader, rest: httpx.Client) -> None:
    quote = trader.ask(action="quote", inputToken="SOL", outputToken="USDC", amount="3000")
    assert quote["type"] == "quote"
    assert {each["venue"] for each in quote["quotes"]} == {"raydium", "meteora"}
    assert sum(leg["shareBps"] for leg in quote["route"]) >= 10_000
    assert float(quote["outputAmount"]) >= float(quote["bestSingleVenue"]["outputAmount"])
    # What it might have put into the queue came before this order.
    trader.finished(trader.submit(side="sell", amount="0.1"))
    assert "3000" not in {order["amount"] for order in rest.get("/orders").json()["orders"]}


def test_ping_is_answered_with_its_mark(trader: Trader) -> None:
    trader.send(action="ping", requestId="mark")
    assert trader.receive() == {"type": "pong", "requestId": "mark"}
