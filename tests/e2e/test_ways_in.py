"""The five ways in that the engine grew out of, and the crowd; each over the real gateway."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal

import httpx

from tests.e2e.conftest import Connect
from tests.e2e.trader import LIFE, Frame, Trader, assert_whole, following, recorded, statuses
from tests.support.instance import Instance

PAIRS = [
    ("SOL", "USDC"), ("USDC", "SOL"), ("SOL", "USDT"), ("USDC", "USDT"), ("ETH", "SOL"),
    ("mSOL", "SOL"), ("JitoSOL", "SOL"), ("RAY", "USDC"), ("JUP", "SOL"), ("BONK", "USDC"),
]  # fmt: skip


def event_of(events: list[Frame], status: str) -> Frame:
    (found,) = [event for event in events if event["status"] == status]
    return found


def test_order_in_the_connection_url_runs_to_confirmed(connect: Connect) -> None:
    trader = connect(inputToken="SOL", outputToken="USDC", amount="1.5")
    events = trader.finished(trader.first_order())
    assert statuses(events) == LIFE
    assert_whole(events)
    assert [frame["type"] for frame in trader.frames] == ["order"] * len(LIFE)
    confirmed = events[-1]
    assert confirmed["inputAmount"] == "1.5"
    assert len(confirmed["txSignature"]) > 80
    assert confirmed["txSignature"] == event_of(events, "submitted")["txSignature"]


def test_side_and_assets_without_an_action_are_an_order(trader: Trader) -> None:
    trader.send_text('{"clientId":"user01","side":"buy","baseAsset":"SOL","quoteAsset":"USDC","amount":10}')
    events = trader.finished(trader.first_order())
    trader.until(lambda: [frame for frame in trader.frames if frame["type"] == "accepted"])
    assert statuses(events) == LIFE
    assert_whole(events)
    quotes = event_of(events, "routed")["quotes"]
    assert {quote["venue"] for quote in quotes} == {"raydium", "meteora"}
    prices = [Decimal(quote["price"]) for quote in quotes]
    assert max(prices) / min(prices) < Decimal("1.05")
    assert events[-1]["outputAmount"] == "10"
    assert 100 < Decimal(events[-1]["executedPrice"]) < 200


def test_rest_order_is_replayed_from_its_first_event_to_a_connection_with_its_id(
    rest: httpx.Client, instance: Instance
) -> None:
    answer = rest.post("/orders", json={"inputToken": "SOL", "outputToken": "USDC", "amount": 10})
    assert answer.status_code == 202
    assert answer.json()["status"] == "accepted"
    order_id = answer.json()["orderId"]
    with following(instance.websocket_url, order_id) as subscriber:
        events = subscriber.finished(order_id)
    assert statuses(events) == LIFE
    assert_whole(events)


def test_five_orders_each_subscribed_to_over_a_connection_of_its_own(
    instance: Instance, rest: httpx.Client
) -> None:
    answers = [rest.post("/orders", json={"side": "sell", "amount": f"0.{n}"}) for n in range(1, 6)]
    order_ids = [answer.json()["orderId"] for answer in answers]
    with ExitStack() as opened:
        subscribed = {
            order_id: opened.enter_context(following(instance.websocket_url, order_id))
            for order_id in order_ids
        }
        for order_id, subscriber in subscribed.items():
            events = subscriber.finished(order_id)
            assert statuses(events) == LIFE
            assert subscriber.events() == events


def test_default_pair_over_the_alias_then_subscribed_to_on_an_open_connection(
    rest: httpx.Client, trader: Trader
) -> None:
    answer = rest.post("/orders/execute", json={"side": "buy", "amount": "0.01"})
    assert answer.status_code == 202
    order_id = answer.json()["orderId"]
    recorded(rest, order_id)
    trader.send(orderId=order_id)
    events = trader.finished(order_id)
    assert trader.frames[0] == {"type": "subscribed", "requestId": None, "orderId": order_id}
    assert_whole(events)
    assert events[-1]["outputAmount"] == "0.01"


def trade(url: str, orders: int, first_pair: int) -> None:
    """Submit at once, then wait: the connection must see these orders and nothing else."""
    with Trader(url) as trader:
        for number in range(orders):
            given, wanted = PAIRS[(first_pair + number) % len(PAIRS)]
            trader.send(requestId=str(number), inputToken=given, outputToken=wanted, amount="0.5")
        accepted = trader.until(lambda: found if len(found := answers(trader)) == orders else None)
        for order_id in accepted:
            events = trader.finished(order_id)
            assert statuses(events) == LIFE, events
            assert_whole(events)
        assert trader.is_open()
        assert {event["orderId"] for event in trader.events()} == accepted
        assert len(trader.events()) == orders * len(LIFE)


def answers(trader: Trader) -> set[str]:
    return {frame["orderId"] for frame in trader.frames if frame["type"] == "accepted"}


def test_ten_clients_with_ten_orders_each_see_exactly_their_own(instance: Instance) -> None:
    with ThreadPoolExecutor(10) as clients:
        list(clients.map(lambda n: trade(instance.websocket_url, 10, n), range(10)))


def test_two_hundred_orders_over_twenty_connections_are_all_confirmed(instance: Instance) -> None:
    with ThreadPoolExecutor(20) as clients:
        list(clients.map(lambda n: trade(instance.websocket_url, 10, n), range(20)))
