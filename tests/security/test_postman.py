"""The published Postman collection, walked against the runtime:
every request is answered as its description says.

The collection's own scripts run in Postman alone (``newman run
docs/api/postman.json``); what they wait for is waited for here.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.security.secured_app import TIME_LIMIT_S, ask
from tests.support.instance import REPOSITORY, Instance
from tests.support.plain_http import NO_TLS

COLLECTION = json.loads((REPOSITORY / "docs" / "api" / "postman.json").read_text())
FOLDERS = {folder["name"].split(" (")[0]: folder["item"] for folder in COLLECTION["item"]}
ANSWERS = {
    "Submit": "accepted",
    "Subscribe to everything": "subscribed",
    "Subscribe to one order": "subscribed",
    "Cancel": "ORDER_ALREADY_FINAL",
    "What would become of an order": "preview",
    "Two orders at once": "acceptedBatch",
    "Cancel all orders of a pair": "canceledAll",
    "Quote": "quote",
    "Ping": "pong",
}

Variables = dict[str, str]


@pytest.fixture
def variables(open_house: Instance) -> Variables:
    given = {variable["key"]: variable["value"] for variable in COLLECTION["variable"]}
    return given | {"rest": open_house.rest_url, "websocket": open_house.websocket_url}


def test_rest_requests_are_answered_as_described(variables: Variables) -> None:
    for item in FOLDERS["REST"]:
        answer = until_final(item, variables)
        assert answer.status_code == described_status(item), (item["name"], answer.text)
        if item["name"] == "Submit an order":
            variables["orderId"] = answer.json()["orderId"]
        if "routing proof" in item["name"]:
            assert_routing_is_proven(answer.json()["events"])


def test_five_at_once_become_five_confirmed_orders(variables: Variables) -> None:
    five, everything = FOLDERS["Five simultaneous orders"]
    ids = {send(five, variables).json()["orderId"] for _ in range(5)}
    assert len(ids) == 5
    for order_id in ids:
        read = next(item for item in FOLDERS["REST"] if item["name"].startswith("Read it"))
        assert until_final(read, variables | {"orderId": order_id}).json()["status"] == "confirmed"
    listed = send(everything, variables)
    assert listed.status_code == described_status(everything)
    assert ids <= {order["orderId"] for order in listed.json()["orders"]}


def test_websocket_messages_are_answered_as_written(variables: Variables) -> None:
    submit, read = FOLDERS["REST"][:2]
    variables["orderId"] = send(submit, variables).json()["orderId"]
    until_final(read, variables)
    answers = {}
    for item in FOLDERS["WebSocket"]:
        message = json.loads(filled(item["request"]["description"], variables))
        with connect(filled(item["request"]["url"], variables), open_timeout=TIME_LIMIT_S) as socket:
            fields = {name: value for name, value in message.items() if name != "requestId"}
            # Orders that other tests of this instance left open are known to have ended a second later.
            while (answer := ask(socket, **fields)).get("code") == "TOO_MANY_OPEN_ORDERS":
                time.sleep(0.1)
        answers[item["name"]] = answer.get("code", answer["type"])
    assert answers == ANSWERS


def until_final(item: Mapping[str, Any], variables: Variables) -> httpx.Response:
    """Send a request; one that reads an order again and again, until it is on record and final."""
    answer = send(item, variables)
    while item["name"].startswith("Read it") and answer.json().get("status") not in {"confirmed", "failed"}:
        answer = send(item, variables)
    return answer


def send(item: Mapping[str, Any], variables: Variables) -> httpx.Response:
    request = item["request"]
    headers = {header["key"]: header["value"] for header in request["header"]}
    body = request.get("body", {}).get("raw")
    return httpx.request(
        request["method"],
        filled(request["url"], variables),
        headers=headers,
        content=None if body is None else filled(body, variables),
        timeout=TIME_LIMIT_S,
        verify=NO_TLS,
    )


def filled(text: str, variables: Variables) -> str:
    for name, value in variables.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def described_status(item: Mapping[str, Any]) -> int:
    return int(item["request"]["description"].split()[0])


def assert_routing_is_proven(events: list[dict[str, Any]]) -> None:
    routed = next(event for event in events if event["status"] == "routed")
    assert {quote["venue"] for quote in routed["quotes"]} == {"raydium", "meteora"}
    assert float(routed["outputAmount"]) >= max(amounts(routed["quotes"]))


def amounts(quotes: list[dict[str, Any]]) -> Iterator[float]:
    return (float(quote["outputAmount"]) for quote in quotes if quote.get("outputAmount"))
