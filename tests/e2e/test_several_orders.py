"""Batches, cancelAll, dry runs and markets, through the whole product."""

import json
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from click.testing import CliRunner

from chalicelib.domain.tokens import is_mint
from chalicelib.wire import answers, rest_answers
from infra.cli.orderflow import orderflow
from tests.e2e.conftest import Connect, an_instance
from tests.e2e.trader import TIME_LIMIT_S, Trader, recorded, statuses
from tests.support.instance import Instance

SELL = {"side": "sell", "amount": "0.02"}


def test_batch_is_accepted_order_by_order_and_each_is_executed(trader: Trader) -> None:
    orders = [SELL | {"clientOrderId": f"batch {number}"} for number in range(18)]
    answer = trader.ask(action="submitBatch", orders=[*orders, {}, 7])
    frame = answers.AcceptedBatchFrame.model_validate(answer)
    assert [each.code for each in frame.results] == [None] * 18 + ["INVALID_REQUEST"] * 2
    assert [each.client_order_id for each in frame.results[:18]] == [each["clientOrderId"] for each in orders]
    for result in frame.results[:18]:
        assert trader.finished(str(result.order_id))[-1]["status"] == "confirmed"
    again = trader.ask(action="submitBatch", orders=orders)
    assert again["results"] == answer["results"][:18]


def test_batch_over_rest_is_answered_in_its_order(rest: httpx.Client) -> None:
    answer = rest.post("/orders/batch", json={"orders": [SELL, {"side": "sell"}]})
    assert answer.status_code == 202
    first, second = answers.BatchResults.model_validate_json(answer.text).results
    assert (first.code, second.code) == (None, "INVALID_REQUEST")
    assert recorded(rest, str(first.order_id))["amount"] == "0.02"


@pytest.mark.parametrize(
    ("url", "body", "headers"),
    [
        ("/orders/batch", {"orders": [SELL]}, {"Idempotency-Key": "k"}),
        ("/orders/batch?dryRun=true", {"orders": [SELL]}, {}),
        ("/orders/batch", {"orders": [SELL], "dryRun": True}, {}),
        ("/orders/batch", {"orders": []}, {}),
        ("/orders?dryrun=true", SELL, {}),
    ],
)
def test_request_that_would_do_something_else_than_it_says_is_refused(
    rest: httpx.Client, url: str, body: dict[str, object], headers: dict[str, str]
) -> None:
    answer = rest.post(url, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")


def test_dry_run_stores_nothing_and_says_what_would_happen(rest: httpx.Client, trader: Trader) -> None:
    frame = answers.PreviewFrame.model_validate(
        trader.ask(action="submit", dryRun=True, clientOrderId="dry", **SELL)
    )
    assert (frame.verdict, frame.order_id) == ("executeNow", None)
    assert frame.summary.startswith("Would sell 0.02 SOL now for about ")
    answer = rest.post("/orders", params={"dryRun": "true"}, json=SELL | {"clientOrderId": "dry"})
    assert answer.status_code == 200
    assert answers.Preview.model_validate_json(answer.text).checks == frame.checks
    # Nothing of it is in the queue or on record: the key is free for an order of other content, which is one.
    order_id = trader.submit(side="sell", amount="0.03", clientOrderId="dry")
    assert trader.finished(order_id)[-1]["status"] == "confirmed"
    named = [order for order in rest.get("/orders").json()["orders"] if order["clientOrderId"] == "dry"]
    assert [(order["orderId"], order["amount"]) for order in named] == [(order_id, "0.03")]


def test_dry_run_in_a_connection_url_is_refused(connect: Connect) -> None:
    with pytest.raises(Exception, match="400"):
        connect(side="sell", amount="1", dryRun="true")


def test_markets_show_what_triggers_look_at(rest: httpx.Client) -> None:
    markets = rest_answers.Markets.model_validate_json(rest.get("/markets").text)
    (sol,) = (each for each in markets.markets if each.pair == "SOL/USDC")
    assert sol.mark is not None
    assert 100 < float(sol.mark) < 200
    assert (sol.pools, markets.problems) == (4, [])
    # Mints that other tests have opened pools of are called by their addresses.
    assert len([each for each in markets.markets if not is_mint(each.base_asset)]) == 15


def _canceled_while_routing(trader: Trader, rest: httpx.Client) -> tuple[set[str], answers.CanceledAllFrame]:
    """Have three orders canceled whose routes are being looked for; return their ids and the answer."""
    batch = trader.ask(action="submitBatch", orders=[SELL] * 3)
    ids = {each["orderId"] for each in batch["results"]}
    trader.until(lambda: all("routing" in statuses(trader.events(each)) for each in ids))
    spared = rest.delete("/orders", params={"types": "limit,sniper"}).json()
    assert spared.items() >= {"canceled": 0, "alreadySent": [], "more": False}.items()
    return ids, answers.CanceledAllFrame.model_validate(trader.ask(action="cancelAll", baseAsset="SOL"))


def test_cancel_all_ends_what_is_not_sent_and_tells_its_owner(tmp_path: Path) -> None:
    slow = {"QUOTE_LATENCY_MS": "4000", "QUOTE_TIME_LIMIT_MS": "4500", "SETTLEMENT_LATENCY_MS": "0"}
    with (
        an_instance(tmp_path / "state", environment=slow) as instance,
        Trader(instance.websocket_url) as trader,
        httpx.Client(base_url=instance.rest_url, timeout=TIME_LIMIT_S) as rest,
    ):
        ids, frame = _canceled_while_routing(trader, rest)
        # A busy machine may have found their routes before it was asked.
        while any("routed" in statuses(trader.put_right(order_id)) for order_id in ids):
            ids, frame = _canceled_while_routing(trader, rest)
        assert (frame.canceled, frame.already_sent, frame.more) == (3, [], False)
        for order_id in ids:
            last = trader.finished(order_id)[-1]
            assert (last["status"], last["seq"]) == ("canceled", 3)
        assert trader.ask(action="cancelAll")["canceled"] == 0
        assert rest.request("DELETE", "/orders", json={"pair": "SOL"}).status_code == 400
        twice = rest.delete("/orders", params=[("types", "limit"), ("types", "sniper")])
        assert (twice.status_code, twice.json()["details"][0]["field"]) == (400, "types")


def test_commands_are_clients_of_the_running_engine(
    instance: Instance, trader: Trader, rest: httpx.Client
) -> None:
    environment = {"ORDERFLOW_HOME": str(instance.state_dir), "DATABASE_URL": None}
    order_id = trader.submit(**SELL)
    recorded(rest, order_id)
    watched = CliRunner().invoke(orderflow, ["--json", "watch", order_id], env=environment)
    events = [json.loads(line) for line in watched.stdout.splitlines()]
    assert events == trader.finished(order_id)
    asked = CliRunner().invoke(orderflow, ["cancel-all"], input="n\n", env=environment)
    assert (asked.exit_code, "Cancel the account's orders" in asked.stdout) == (1, True)
    done = CliRunner().invoke(
        orderflow, ["--json", "cancel-all", "--yes", "--type", "limit", "--base", "SOL"], env=environment
    )
    assert json.loads(done.stdout) == {"canceled": 0, "alreadySent": []}
    refused = CliRunner().invoke(orderflow, ["cancel-all", "--yes", "--base", "DOGE"], env=environment)
    assert "INVALID_REQUEST: baseAsset must be a known token" in refused.stderr
    unknown = CliRunner().invoke(orderflow, ["watch", str(uuid4())], env=environment)
    assert "ORDER_NOT_FOUND" in unknown.stderr
    nowhere = {"ORDERFLOW_HOME": "nowhere", "DATABASE_URL": None}
    assert "No runtime is running" in CliRunner().invoke(orderflow, ["watch"], env=nowhere).stderr


def test_market_that_is_moved_is_what_markets_show(instance: Instance, rest: httpx.Client) -> None:
    # The shell's credentials are for AWS, and say nothing to the runtime's emulator.
    foreign = {"AWS_ACCESS_KEY_ID": "foreign", "AWS_SECRET_ACCESS_KEY": "foreign"}
    environment = {"ORDERFLOW_HOME": str(instance.state_dir), "DATABASE_URL": None, **foreign}
    moved = CliRunner().invoke(
        orderflow, ["market", "move", "RAY/USDC", "--drift", "250", "--interval", "0"], env=environment
    )
    assert moved.exit_code == 0, moved.output
    markets = rest_answers.Markets.model_validate_json(rest.get("/markets").text).markets
    (mark,) = (each.mark for each in markets if each.pair == "RAY/USDC")
    assert mark is not None
    assert float(mark) == pytest.approx(2.4 * 1.025, rel=0.003)


def test_limit_orders_rest_are_filled_when_the_market_moves_and_canceled_together(
    instance: Instance, trader: Trader
) -> None:
    environment = {"ORDERFLOW_HOME": str(instance.state_dir), "DATABASE_URL": None}
    sell = {"type": "limit", "side": "sell", "baseAsset": "JUP", "quoteAsset": "USDC", "amount": "10"}
    previews = [
        trader.ask(action="submit", dryRun=True, limitPrice=price, **sell) for price in ("0.1", "0.483", "9")
    ]
    assert [preview["verdict"] for preview in previews] == ["executeNow", "open", "open"]
    batch = trader.ask(
        action="submitBatch", orders=[sell | {"limitPrice": "0.483"}, sell | {"limitPrice": "9"}]
    )
    near, far = (result["orderId"] for result in batch["results"])
    trader.until(lambda: sum(event["status"] == "open" for event in trader.events()) == 2 or None)
    moved = CliRunner().invoke(
        orderflow,
        ["--json", "market", "move", "JUP", "--drift", "150", "--interval", "0"],
        env=environment,
    )
    # The runtime's own schedule looks each second, and may have been first.
    assert json.loads(moved.stdout)["fired"] in {0, 1}
    assert trader.finished(near)[-1]["status"] == "confirmed"
    answer = trader.ask(action="cancelAll", baseAsset="JUP", types=["limit"])
    assert (answer["canceled"], answer["alreadySent"]) == (1, [])
    assert [event["status"] for event in trader.finished(far)] == ["pending", "open", "canceled"]
