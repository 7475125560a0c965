"""The REST routes, over HTTP."""

import httpx
import pytest

from tests.e2e.trader import LIFE, Frame, assert_whole, following
from tests.support.instance import Instance

SELL = {"side": "sell", "amount": "0.03"}


@pytest.fixture(scope="module")
def confirmed(instance: Instance, rest: httpx.Client) -> list[str]:
    """Five orders that are confirmed, oldest first."""
    order_ids = [rest.post("/orders", json=SELL).json()["orderId"] for _ in range(5)]
    for order_id in order_ids:
        with following(instance.websocket_url, order_id) as trader:
            trader.finished(order_id)
    return order_ids


def test_order_shows_its_terms_and_how_it_ended(rest: httpx.Client, confirmed: list[str]) -> None:
    answer = rest.get(f"/orders/{confirmed[0]}")
    assert answer.status_code == 200
    order = answer.json()
    assert order["orderId"] == confirmed[0]
    assert (order["status"], order["seq"], order["attempt"]) == ("confirmed", 6, 1)
    assert (order["inputToken"], order["outputToken"], order["amount"]) == ("SOL", "USDC", "0.03")
    assert order["inputAmount"] == "0.03"
    assert order["acceptedAt"].endswith("Z")
    assert order["txSignature"]


def test_events_are_the_frames_of_the_stream(
    rest: httpx.Client, instance: Instance, confirmed: list[str]
) -> None:
    events = rest.get(f"/orders/{confirmed[0]}/events").json()["events"]
    assert_whole(events)
    with following(instance.websocket_url, confirmed[0]) as trader:
        assert trader.finished(confirmed[0]) == events
    later = rest.get(f"/orders/{confirmed[0]}/events", params={"afterSeq": 4}).json()["events"]
    assert later == events[4:]
    assert rest.get(f"/orders/{confirmed[0]}/events", params={"afterSeq": 6}).json() == {"events": []}


def _newest(rest: httpx.Client) -> list[Frame]:
    orders: list[Frame] = rest.get("/orders", params={"limit": 100}).json()["orders"]
    return orders


def _first_pages(rest: httpx.Client) -> list[str]:
    seen: list[str] = []
    cursor: str | None = None
    while len(seen) < 5:
        page = rest.get("/orders", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [order["orderId"] for order in page["orders"]]
        cursor = page["nextCursor"]
    return seen


def test_pages_list_every_order_once_newest_first(rest: httpx.Client, confirmed: list[str]) -> None:
    whole, seen = _newest(rest), _first_pages(rest)
    # An order of another test may have come on record meanwhile.
    while [order["orderId"] for order in _newest(rest)] != [order["orderId"] for order in whole]:
        whole, seen = _newest(rest), _first_pages(rest)
    assert seen == [order["orderId"] for order in whole[: len(seen)]]
    times = [order["acceptedAt"] for order in whole]
    assert times == sorted(times, reverse=True)
    assert set(confirmed) <= {order["orderId"] for order in whole}


def test_pages_end_with_one_that_has_no_cursor(rest: httpx.Client, confirmed: list[str]) -> None:
    asked: dict[str, str | int] = {"status": "confirmed", "limit": 100}
    page = rest.get("/orders", params=asked).json()
    seen = [order["orderId"] for order in page["orders"]]
    while page["nextCursor"]:
        page = rest.get("/orders", params=asked | {"cursor": page["nextCursor"]}).json()
        assert page["orders"]
        seen += [order["orderId"] for order in page["orders"]]
    assert set(confirmed) <= set(seen)
    assert len(seen) == len(set(seen))


def test_status_selects_orders(rest: httpx.Client, confirmed: list[str]) -> None:
    found = rest.get("/orders", params={"status": "confirmed", "limit": 100}).json()["orders"]
    assert {order["status"] for order in found} == {"confirmed"}
    assert set(confirmed) <= {order["orderId"] for order in found}


def test_idempotency_key_is_the_client_order_id(rest: httpx.Client, instance: Instance) -> None:
    key = {"Idempotency-Key": "rest-once"}
    first = rest.post("/orders", json=SELL, headers=key)
    again = rest.post("/orders/execute", json=SELL, headers=key)
    by_member = rest.post("/orders", json=SELL | {"clientOrderId": "rest-once"})
    assert first.json() == again.json() == by_member.json()
    assert first.json()["clientOrderId"] == "rest-once"
    with following(instance.websocket_url, first.json()["orderId"]) as trader:
        assert_whole(trader.finished(first.json()["orderId"]))


def test_idempotency_key_with_other_content_is_a_conflict(rest: httpx.Client) -> None:
    key = {"Idempotency-Key": "rest-taken"}
    assert rest.post("/orders", json=SELL, headers=key).status_code == 202
    other = rest.post("/orders", json=SELL | {"amount": "0.04"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "CLIENT_ORDER_ID_CONFLICT")


def test_key_and_member_that_differ_are_refused(rest: httpx.Client) -> None:
    answer = rest.post("/orders", json=SELL | {"clientOrderId": "a"}, headers={"Idempotency-Key": "b"})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "clientOrderId"


def test_confirmed_order_cannot_be_canceled(rest: httpx.Client, confirmed: list[str]) -> None:
    answer = rest.delete(f"/orders/{confirmed[0]}")
    assert (answer.status_code, answer.json()["code"]) == (409, "ORDER_ALREADY_FINAL")
    assert rest.get(f"/orders/{confirmed[0]}").json()["status"] == "confirmed"


def test_quote_is_what_the_order_would_get(rest: httpx.Client) -> None:
    quote = rest.post("/quotes", json={"side": "buy", "baseAsset": "ETH", "quoteAsset": "SOL", "amount": "1"})
    assert quote.status_code == 200
    assert quote.json()["outputAmount"] == "1"
    assert (quote.json()["inputToken"], quote.json()["outputToken"]) == ("SOL", "ETH")


def test_venues_list_their_pools_and_the_tokens(rest: httpx.Client) -> None:
    listed = rest.get("/venues").json()
    assert {venue["venue"] for venue in listed["venues"]} == {"raydium", "meteora"}
    assert all(venue["pools"] for venue in listed["venues"])
    assert {"symbol": "SOL", "decimals": 9}.items() <= next(
        token for token in listed["tokens"] if token["symbol"] == "SOL"
    ).items()


def test_health_says_that_it_runs_and_what_it_reaches(rest: httpx.Client) -> None:
    assert rest.get("/health").json() == {"status": "ok"}
    # The prices of a moment ago are missing while the machine is too busy to look at them each second.
    while (ready := rest.get("/health/ready").json()).get("prices") == "missing":
        pass
    assert ready == {"status": "ok", "database": "ok", "queue": "ok", "prices": "ok"}


def test_confirmed_orders_lived_through_every_status(rest: httpx.Client, confirmed: list[str]) -> None:
    for order_id in confirmed:
        events = rest.get(f"/orders/{order_id}/events").json()["events"]
        assert [event["status"] for event in events] == LIFE
