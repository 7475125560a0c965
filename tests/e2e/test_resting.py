"""Orders that wait, as a client sees them: they rest, change, end by the clock, and fill on a price."""

import json

import httpx
from click.testing import CliRunner

from infra.cli.orderflow import orderflow
from tests.e2e.conftest import Connect
from tests.e2e.trader import LIFE, Trader, assert_whole, statuses
from tests.support.instance import Instance

SELL = {"side": "sell", "baseAsset": "SOL", "quoteAsset": "USDC", "amount": "1"}


def rests(trader: Trader, order_id: str, count: int = 2) -> None:
    trader.until(lambda: len(trader.events(order_id)) >= count)
    assert trader.events(order_id)[-1]["status"] == "open"


def test_limit_order_rests_and_fills_at_once_when_it_is_amended_to_what_the_market_offers(
    trader: Trader,
) -> None:
    order_id = trader.submit(**SELL, type="limit", limitPrice="170")
    rests(trader, order_id)
    refused = trader.ask(action="amend", orderId=order_id, ifSeq=1, limitPrice="120")
    assert refused["code"] == "ORDER_CHANGED"
    trader.send(action="amend", requestId="better", orderId=order_id, ifSeq=2, limitPrice="120")
    # The consumer that put it to rest may not have noted yet what it published: the next one tells it again.
    events = trader.put_right(order_id)
    assert statuses(events) == ["pending", "open", "open", *LIFE[1:]]
    assert (events[2]["amended"], events[2]["requestId"]) == ({"limitPrice": "120"}, "better")
    assert_whole(events)
    assert float(events[-1]["executedPrice"]) >= 120


def test_order_in_the_connection_url_may_wait_and_ends_by_the_clock(connect: Connect) -> None:
    # On a busy machine it may be over before a consumer has put it to rest.
    for seconds in (1, 4, 16, 64):
        trader = connect(**SELL, type="limit", limitPrice="900", validForSeconds=f"{seconds}")
        events = trader.finished(trader.first_order())
        assert events[-1]["code"] == "DEADLINE_EXCEEDED"
        if "open" in statuses(events):
            break
    assert statuses(events) == ["pending", "open", "expired"]


def test_resting_order_is_read_amended_and_canceled_over_rest(rest: httpx.Client, trader: Trader) -> None:
    order_id = trader.submit(**SELL, trigger={"price": "90", "when": "below"})
    rests(trader, order_id)
    shown = rest.get(f"/orders/{order_id}").json()
    assert (shown["status"], shown["trigger"]["price"], shown["validUntil"]) == ("open", "90", None)
    amended = rest.patch(f"/orders/{order_id}", json={"triggerPrice": "80", "amount": 2, "ifSeq": 2})
    assert (amended.status_code, amended.json()["amount"], amended.json()["seq"]) == (200, "2", 3)
    assert rest.patch(f"/orders/{order_id}", json={"triggerprice": "80"}).status_code == 400
    assert rest.delete(f"/orders/{order_id}").json()["status"] == "canceled"
    assert rest.patch(f"/orders/{order_id}", json={"amount": 1}).json()["code"] == "ORDER_ALREADY_FINAL"
    # They are missing while the machine is too busy to look at them each second.
    while (prices := rest.get("/health/ready").json()["prices"]) == "missing":
        pass
    assert prices == "ok"


def test_sniper_order_buys_from_the_pool_that_a_command_opens(instance: Instance, trader: Trader) -> None:
    wish = {"type": "sniper", "inputToken": "USDC", "outputToken": "RAY", "amount": "100"}
    preview = trader.ask(action="submit", dryRun=True, **wish)
    assert (preview["verdict"], "what opened before it does not count" in preview["summary"]) == (
        "open",
        True,
    )
    order_id = trader.submit(**wish, sniper={"venue": "meteora", "minLiquidity": "1000"})
    picky = trader.submit(**wish, sniper={"minLiquidity": "1000000"})
    rests(trader, order_id)
    rests(trader, picky)
    launched = CliRunner().invoke(
        orderflow,
        ["--json", "market", "launch", "RAY", "--price", "2.4", "--depth", "50000", "--in-blocks", "3"],
        env={"ORDERFLOW_HOME": str(instance.state_dir), "DATABASE_URL": None},
    )
    pool_id = json.loads(launched.stdout)["pool"]
    events = trader.finished(order_id)
    assert statuses(events) == ["pending", "open", "triggered", *LIFE[1:]]
    assert (events[2]["pool"], [leg["pool"] for leg in events[4]["route"]]) == (pool_id, [pool_id])
    assert events[2]["height"] >= events[2]["openedHeight"] >= json.loads(launched.stdout)["height"]
    assert_whole(events)
    refused = trader.finished(picky)[-1]
    assert (refused["code"], "sniper.minLiquidity" in refused["message"]) == ("LAUNCH_FILTERED", True)


def test_new_mint_is_bought_within_its_limit_and_sold_again(
    instance: Instance, trader: Trader, rest: httpx.Client
) -> None:
    mint = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
    sale = {"inputToken": mint, "outputToken": "SOL", "amount": "50.00001"}
    refused = rest.post("/orders", json=sale)
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (400, "inputToken")
    assert "a mint of which a pool is known" in refused.json()["message"]
    wish = {"type": "sniper", "inputToken": "USDC", "outputToken": mint, "amount": "100", "limitPrice": "35"}
    right, wrong = (trader.submit(**wish, sniper={"decimals": decimals}) for decimals in (5, 6))
    rests(trader, right)
    rests(trader, wrong)
    launched = CliRunner().invoke(
        orderflow,
        ["--json", "market", "launch", mint, "--price", "0.025", "--depth", "50000", "--decimals", "5"],
        env={"ORDERFLOW_HOME": str(instance.state_dir), "DATABASE_URL": None},
    )
    pool_id = json.loads(launched.stdout)["pool"]
    bought = trader.finished(right)[-1]
    assert bought["status"] == "confirmed"
    assert float(bought["outputAmount"]) > 3500
    failed = trader.finished(wrong)[-1]
    assert (failed["code"], failed["message"].endswith("has 5 decimals, not 6")) == ("LAUNCH_FILTERED", True)
    # The mark is of pools of the two tokens, and there is none; what a size gets is seen over others too.
    stop = {"price": "0.0001", "when": "below"}
    assert trader.finished(trader.submit(**sale, trigger=stop))[-1]["code"] == "NO_ROUTE"
    rests(trader, trader.submit(**(sale | {"outputToken": "USDC"}), trigger=stop))
    stop_id = trader.submit(**sale, trigger=stop | {"source": "executable"})
    rests(trader, stop_id)
    events = trader.finished(trader.submit(**sale))
    assert statuses(events) == list(LIFE)
    assert events[2]["route"][0]["pool"] == pool_id
    assert events[-1]["inputAmount"] == "50.00001"
    quote = trader.ask(action="quote", side="buy", baseAsset=mint, quoteAsset="USDC", amount="1")
    assert quote["inputAmount"].startswith("0.02")
    pairs = {each["pair"]: each["mark"] for each in rest.get("/markets").json()["markets"]}
    assert pairs[f"{mint}/USDC"].startswith("0.02")
    known = {"symbol": mint, "mint": mint, "decimals": 5}
    assert known in rest.get("/venues").json()["tokens"]
    preview = trader.ask(action="submit", dryRun=True, **sale)
    assert (preview["verdict"], f"sell 50.00001 {mint}" in preview["summary"]) == ("executeNow", True)
    shown = rest.get(f"/orders/{stop_id}").json()
    assert (shown["amount"], shown["inputToken"]) == ("50.00001", mint)
    amended = rest.patch(f"/orders/{stop_id}", json={"amount": "7", "triggerPrice": "0.00011"})
    assert (amended.status_code, amended.json()["amount"]) == (200, "7")
    assert rest.delete("/orders", params={"baseAsset": mint}).json()["canceled"] == 2
