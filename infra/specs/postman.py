"""A Postman collection: REST and WebSocket, five simultaneous orders, and the proof of routing."""

import json
from typing import Any, Final

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_JSON_HEADER: Final = {"key": "Content-Type", "value": "application/json"}
_SELL: Final = {"side": "sell", "amount": "1.5"}

_KEEP_ID: Final = """\
pm.test("accepted", () => pm.response.to.have.status(202));
pm.collectionVariables.set("orderId", pm.response.json().orderId);"""

_IS_CONFIRMED: Final = """\
pm.test("confirmed, with what was really exchanged", () => {
    const order = pm.response.json();
    pm.expect(order.status).to.equal("confirmed");
    pm.expect(order.executedPrice).to.match(/^[0-9.]+$/);
});"""

_IS_ROUTED: Final = """\
pm.test("both venues were asked, and no single one is better", () => {
    const routed = pm.response.json().events.find(event => event.status === "routed");
    pm.expect(routed.quotes.map(quote => quote.venue)).to.include.members(["raydium", "meteora"]);
    const best = Math.max(...routed.quotes.filter(q => q.outputAmount).map(q => Number(q.outputAmount)));
    pm.expect(Number(routed.outputAmount)).to.be.at.least(best);
});"""

_FIVE: Final = """\
// Sends four more beside this one, all at once; each gets an order of its own.
const send = amount => new Promise((resolve, reject) => pm.sendRequest({
    url: pm.variables.replaceIn("{{rest}}/orders"), method: "POST",
    header: pm.request.headers.toObject(),
    body: { mode: "raw", raw: JSON.stringify({ side: "sell", amount }) },
}, (error, answer) => error ? reject(error) : resolve(answer.json().orderId)));
Promise.all(["1.1", "1.2", "1.3", "1.4"].map(send)).then(ids => {
    const all = [...ids, pm.response.json().orderId];
    pm.test("five orders, five ids", () => pm.expect(new Set(all).size).to.equal(5));
});"""


def postman() -> dict[str, Any]:
    """Return the collection."""
    order = "/orders/{{orderId}}"
    return {
        "info": {"name": "Orderflow", "schema": _SCHEMA, "description": "Start it with `make run`."},
        "variable": [
            {"key": "rest", "value": "http://127.0.0.1:3000/api"},
            {"key": "websocket", "value": "ws://127.0.0.1:3000/ws"},
            {"key": "token", "value": ""},
            {"key": "orderId", "value": ""},
        ],
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "item": [
            _folder(
                "REST",
                _request("Submit an order", "POST", "/orders", body=_SELL, test=_KEEP_ID),
                _request("Read it", "GET", order, test=_IS_CONFIRMED),
                _request("Its events: the routing proof", "GET", f"{order}/events", test=_IS_ROUTED),
                _request("Cancel it", "DELETE", order),
                _request("List orders", "GET", "/orders?limit=10"),
                _request("Quote", "POST", "/quotes", body=_SELL),
                _request("Venues", "GET", "/venues"),
                _request("Ready", "GET", "/health/ready"),
            ),
            _folder(
                "Five simultaneous orders",
                _request("Five at once", "POST", "/orders", body=_SELL, test=_FIVE),
                _request("All of them", "GET", "/orders?limit=5"),
            ),
            _folder(
                "WebSocket (open as a WebSocket request, paste a message)",
                _frame("Submit", {"action": "submit", **_SELL, "requestId": "r1"}),
                _frame("Follow everything", {"action": "subscribe"}),
                _frame("Follow one order", {"action": "subscribe", "orderId": "{{orderId}}", "afterSeq": 0}),
                _frame("Cancel", {"action": "cancel", "orderId": "{{orderId}}"}),
                _frame("Quote", {"action": "quote", **_SELL}),
                _frame("Ping", {"action": "ping"}),
            ),
        ],
    }


def _folder(name: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "item": list(items)}


def _request(
    name: str, method: str, path: str, *, body: dict[str, Any] | None = None, test: str | None = None
) -> dict[str, Any]:
    request: dict[str, Any] = {"method": method, "header": [], "url": f"{{{{rest}}}}{path}"}
    if body is not None:
        request |= {"header": [_JSON_HEADER], "body": {"mode": "raw", "raw": json.dumps(body, indent=2)}}
    script = {"type": "text/javascript", "exec": (test or "").splitlines()}
    return {"name": name, "request": request} | (
        {"event": [{"listen": "test", "script": script}]} if test else {}
    )


def _frame(name: str, message: dict[str, Any]) -> dict[str, Any]:
    """Return a WebSocket address with a message to paste: collections of this format carry no message of their own."""
    request = {
        "method": "GET",
        "header": [],
        "url": "{{websocket}}",
        "description": json.dumps(message, indent=2),
    }
    return {"name": name, "request": request}
