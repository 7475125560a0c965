"""A Postman collection: REST and WebSocket, five simultaneous orders, and the proof of routing."""

import json
from http import HTTPStatus
from typing import Any, Final

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_JSON_HEADER: Final = {"key": "Content-Type", "value": "application/json"}
_DESCRIPTION: Final = """\
Start the engine with `make run`. Each request's description begins with the status that it is answered with.
From a shell: `newman run docs/api/postman.json --folder REST --folder "Five simultaneous orders"`."""
_SELL: Final = {"side": "sell", "amount": "1.5"}

_KEEP_ID: Final = """\
pm.collectionVariables.set("orderId", pm.response.json().orderId);"""

# The order is executed meanwhile, so these ask again until they see its end; Postman's runner and newman do
# as told, a single request is sent again by hand.
_UNTIL_CONFIRMED: Final = """\
const order = pm.response.json();
if (!["confirmed", "failed", "canceled", "expired"].includes(order.status)) {
    setTimeout(() => pm.execution.setNextRequest(pm.info.requestName), 100);
} else {
    pm.test("confirmed, with what was really exchanged", () => {
        pm.expect(order.status).to.equal("confirmed");
        pm.expect(order.executedPrice).to.match(/^[0-9.]+$/);
    });
}"""

_IS_ROUTED: Final = """\
pm.test("both venues were asked, and no single one is better", () => {
    const routed = pm.response.json().events.find(event => event.status === "routed");
    pm.expect(routed.quotes.map(quote => quote.venue)).to.include.members(["raydium", "meteora"]);
    const best = Math.max(...routed.quotes.filter(q => q.outputAmount).map(q => Number(q.outputAmount)));
    pm.expect(Number(routed.outputAmount)).to.be.at.least(best);
});"""

_IS_TOO_LATE: Final = """\
pm.test("too late", () => pm.expect(pm.response.json().code).to.equal("ORDER_ALREADY_FINAL"));"""

_FIVE: Final = """\
// Sends four more beside this one, all at once; each gets an order of its own.
const send = amount => new Promise((resolve, reject) => pm.sendRequest({
    url: pm.variables.replaceIn("{{rest}}/orders"), method: "POST",
    header: pm.request.headers.filter(
        header => ["content-type", "authorization"].includes(header.key.toLowerCase())),
    body: { mode: "raw", raw: JSON.stringify({ side: "sell", amount }) },
}, (error, answer) => error ? reject(error) : resolve(answer.json().orderId)));
Promise.all(["1.1", "1.2", "1.3", "1.4"].map(send)).then(ids => {
    const all = [...ids, pm.response.json().orderId];
    pm.test("five orders, five ids", () => pm.expect(new Set(all).size).to.equal(5));
    pm.collectionVariables.set("five", JSON.stringify(all));
});"""

_UNTIL_ALL_CONFIRMED: Final = """\
const five = JSON.parse(pm.collectionVariables.get("five"));
const mine = pm.response.json().orders.filter(order => five.includes(order.orderId));
const ends = ["confirmed", "failed", "canceled", "expired"];
if (mine.length < 5 || mine.some(order => !ends.includes(order.status))) {
    setTimeout(() => pm.execution.setNextRequest(pm.info.requestName), 100);
} else {
    pm.test("all five confirmed", () => mine.forEach(order => pm.expect(order.status).to.equal("confirmed")));
}"""


def postman() -> dict[str, Any]:
    """Return the collection."""
    order = "/orders/{{orderId}}"
    return {
        "info": {"name": "Orderflow", "schema": _SCHEMA, "description": _DESCRIPTION},
        "variable": [
            {"key": "rest", "value": "http://127.0.0.1:3000/api"},
            {"key": "websocket", "value": "ws://127.0.0.1:3000/ws"},
            {"key": "token", "value": ""},
            {"key": "orderId", "value": ""},
            {"key": "five", "value": "[]"},
        ],
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "item": [
            _folder(
                "REST",
                _request("Submit an order", "POST", "/orders", 202, body=_SELL, test=_KEEP_ID),
                _request("Read it until it is confirmed", "GET", order, 200, test=_UNTIL_CONFIRMED),
                _request("Its events: the routing proof", "GET", f"{order}/events", 200, test=_IS_ROUTED),
                _request("Cancel it, too late", "DELETE", order, 409, test=_IS_TOO_LATE),
                _request("What would become of an order", "POST", "/orders?dryRun=true", 200, body=_SELL),
                _request("Two orders at once", "POST", "/orders/batch", 202, body={"orders": [_SELL, _SELL]}),
                _request("Cancel all limit orders", "DELETE", "/orders?types=limit", 200),
                _request("List orders", "GET", "/orders?limit=10", 200),
                _request("Quote", "POST", "/quotes", 200, body=_SELL),
                _request("Venues", "GET", "/venues", 200),
                _request("Markets: marks and best rates", "GET", "/markets", 200),
                _request("Ready", "GET", "/health/ready", 200),
            ),
            _folder(
                "Five simultaneous orders",
                _request("Five at once", "POST", "/orders", 202, body=_SELL, test=_FIVE),
                _request(
                    "All of them, until they are confirmed",
                    "GET",
                    "/orders?limit=10",
                    200,
                    test=_UNTIL_ALL_CONFIRMED,
                ),
            ),
            _folder(
                "WebSocket (open as a WebSocket request, paste a message)",
                _frame("Submit", {"action": "submit", **_SELL, "requestId": "r1"}),
                _frame("Subscribe to everything", {"action": "subscribe"}),
                _frame(
                    "Subscribe to one order", {"action": "subscribe", "orderId": "{{orderId}}", "afterSeq": 0}
                ),
                _frame("Cancel", {"action": "cancel", "orderId": "{{orderId}}"}),
                _frame("What would become of an order", {"action": "submit", **_SELL, "dryRun": True}),
                _frame("Two orders at once", {"action": "submitBatch", "orders": [_SELL, _SELL]}),
                _frame(
                    "Cancel all orders of a pair",
                    {"action": "cancelAll", "baseAsset": "SOL", "quoteAsset": "USDC"},
                ),
                _frame("Quote", {"action": "quote", **_SELL}),
                _frame("Ping", {"action": "ping"}),
            ),
        ],
    }


def _folder(name: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "item": list(items)}


def _request(
    name: str, method: str, path: str, status: int, *, body: dict[str, Any] | None = None, test: str = ""
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": method,
        "header": [],
        "url": f"{{{{rest}}}}{path}",
        "description": f"{status} {HTTPStatus(status).phrase}",
    }
    if body is not None:
        request |= {"header": [_JSON_HEADER], "body": {"mode": "raw", "raw": json.dumps(body, indent=2)}}
    answered = f'pm.test("{status}", () => pm.response.to.have.status({status}));'
    script = {"type": "text/javascript", "exec": [answered, *test.splitlines()]}
    return {"name": name, "request": request, "event": [{"listen": "test", "script": script}]}


def _frame(name: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return a WebSocket address with a message to paste:
    collections of this format carry no message of their own.
    """
    request = {
        "method": "GET",
        "header": [],
        "url": "{{websocket}}",
        "description": json.dumps(message, indent=2),
    }
    return {"name": name, "request": request}
