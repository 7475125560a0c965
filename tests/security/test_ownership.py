"""Another account's order: whatever is asked about it, the answer is the one that an unknown order gets."""

import json
import uuid
from collections.abc import Callable

import pytest
from websockets.sync.client import ClientConnection

from tests.security.secured_app import Frame, SecuredApp, an_account, ask, receive, say, trade


@pytest.fixture(scope="module")
def alices_order(secured_app: SecuredApp) -> str:
    """An order of another account, with a final status and all of its events."""
    with secured_app.socket(an_account("alice")) as socket:
        return trade(socket)


_EACH_ITS_OWN = {"date", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id"}
"""Headers that differ between any two answers."""

Attempt = Callable[[SecuredApp, str, str], str]


def rest(method: str, path: str) -> Attempt:
    def attempt(app: SecuredApp, account: str, order_id: str) -> str:
        answer = app.rest(account, method, path.format(order_id=order_id))
        headers = {name: value for name, value in answer.headers.items() if name not in _EACH_ITS_OWN}
        return f"{answer.status_code} {headers} {answer.text}"

    return attempt


def frame(**fields: str) -> Attempt:
    def attempt(app: SecuredApp, account: str, order_id: str) -> str:
        with app.socket(account) as socket:
            say(socket, requestId="r", orderId=order_id, **fields)
            answer = receive(socket, lambda _: True)
            # Whatever else was coming would arrive before the answer to this.
            after = ask(socket, action="ping")
            return json.dumps([answer, after["type"]])

    return attempt


def in_the_url(app: SecuredApp, account: str, order_id: str) -> str:
    with app.socket(account, f"?orderId={order_id}") as socket:
        return json.dumps(receive(socket, lambda _: True))


ATTEMPTS: dict[str, Attempt] = {
    "read": rest("GET", "/orders/{order_id}"),
    "events": rest("GET", "/orders/{order_id}/events"),
    "events after": rest("GET", "/orders/{order_id}/events?afterSeq=3"),
    "cancel": rest("DELETE", "/orders/{order_id}"),
    "subscribe frame": frame(action="subscribe"),
    "frame with an id alone": frame(),
    "unsubscribe frame": frame(action="unsubscribe"),
    "cancel frame": frame(action="cancel"),
    "connection url": in_the_url,
}


@pytest.mark.parametrize("case", ATTEMPTS)
def test_other_accounts_order_is_answered_like_an_unknown_one(
    secured_app: SecuredApp, alices_order: str, case: str
) -> None:
    mallory, unknown = an_account("mallory"), str(uuid.uuid4())
    attempt = ATTEMPTS[case]
    about_alices = attempt(secured_app, mallory, alices_order)
    about_none = attempt(secured_app, mallory, unknown)
    assert about_alices.replace(alices_order, "ID") == about_none.replace(unknown, "ID")


def test_owner_gets_another_answer_than_a_stranger(secured_app: SecuredApp) -> None:
    account = an_account("alice")
    with secured_app.socket(account) as socket:
        order_id = trade(socket)
    assert secured_app.rest(account, "GET", f"/orders/{order_id}").status_code == 200
    assert secured_app.rest(an_account("mallory"), "GET", f"/orders/{order_id}").status_code == 404


def test_list_holds_the_accounts_own_orders_even_with_anothers_cursor(secured_app: SecuredApp) -> None:
    alice, mallory = an_account("alice"), an_account("mallory")
    with secured_app.socket(alice) as socket:
        for _ in range(2):
            trade(socket)
    page = secured_app.rest(alice, "GET", "/orders?limit=1").json()
    assert len(page["orders"]) == 1
    assert secured_app.rest(alice, "GET", f"/orders?cursor={page['nextCursor']}").json()["orders"]
    assert secured_app.rest(mallory, "GET", "/orders").json()["orders"] == []
    assert secured_app.rest(mallory, "GET", f"/orders?cursor={page['nextCursor']}").json()["orders"] == []


def test_subscription_to_everything_shows_the_accounts_orders_and_nobody_elses(
    secured_app: SecuredApp,
) -> None:
    with (
        secured_app.socket(an_account("mallory")) as spy,
        secured_app.socket(an_account("alice")) as alice,
    ):
        assert ask(spy, action="subscribe")["type"] == "subscribed"
        trade(alice)
        assert _orders_received(spy) == set()
    with secured_app.socket(own := an_account("alice")) as socket, secured_app.socket(own) as second:
        ask(second, action="subscribe")
        assert _orders_received(second) == set()
        order_id = trade(socket)
        receive(second, lambda frame: frame.get("status") == "confirmed" and frame["orderId"] == order_id)


def test_same_client_order_id_in_two_accounts_is_two_orders(secured_app: SecuredApp) -> None:
    orders = [
        secured_app.rest(
            an_account(name),
            "POST",
            "/orders",
            json={"side": "sell", "amount": amount, "clientOrderId": "one"},
        )
        for name, amount in (("alice", "0.01"), ("mallory", "0.02"))
    ]
    assert [order.status_code for order in orders] == [202, 202]
    assert orders[0].json()["orderId"] != orders[1].json()["orderId"]


@pytest.mark.parametrize("name", ["accountId", "account_id", "account", "principalId"])
def test_account_named_in_a_message_counts_for_nothing(secured_app: SecuredApp, name: str) -> None:
    alice, mallory = an_account("alice"), an_account("mallory")
    body = {"side": "sell", "amount": "0.01", name: alice}
    order_id = secured_app.rest(mallory, "POST", "/orders", json=body).json()["orderId"]
    assert secured_app.rest(alice, "GET", f"/orders/{order_id}").status_code == 404


def _orders_received(socket: ClientConnection) -> set[str]:
    """Return the orders of all frames that have arrived and were not read yet."""
    say(socket, action="ping", requestId="last")
    received: set[str] = set()

    def is_last(frame: Frame) -> bool:
        if frame["type"] == "order":
            received.add(frame["orderId"])
        return frame.get("requestId") == "last"

    receive(socket, is_last)
    return received
