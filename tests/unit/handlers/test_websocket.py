"""The WebSocket routes: who is let in, what a frame does, and over which connection it is answered."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.queue_messages import OrderMessage, SubscribeMessage
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.handlers import websocket
from tests.deploy.events import ORDER, socket_event
from tests.fakes.orders import NOON, advanced, an_order
from tests.security.tokens import token
from tests.unit.handlers.conftest import Wired

UNKNOWN = str(uuid4())


def event(
    kind: str, *, account_id: str | None = "alice", expires_at: int | None = None, **more: Any
) -> dict[str, Any]:
    made = socket_event(kind, connection_id="c=", **more)
    if account_id is not None:
        until = {} if expires_at is None else {"expiresAt": str(expires_at)}
        made["requestContext"]["authorizer"] = {"principalId": account_id, **until}
    return made


def connected(query: dict[str, str] | None = None, **how: Any) -> tuple[int, str | None]:
    """Open a connection; return the status of the answer and the code of a refusal."""
    answer = websocket.connect(event("CONNECT", queryStringParameters=query, **how))
    return answer["statusCode"], json.loads(answer["body"])["code"] if "body" in answer else None


def said(wired: Wired, frame: Any, *, batched: bool = False, **how: Any) -> list[dict[str, Any]]:
    """Send one frame; return what the connection was answered."""
    wired.parts.connections.frames.clear()
    made = event("MESSAGE", body=frame if isinstance(frame, str) else json.dumps(frame), **how)
    if batched:
        made["requestContext"]["authorizer"]["batch"] = "1"
    assert websocket.message(made) == {"statusCode": 200}
    return wired.frames("c=")


def an_unsent_order(wired: Wired) -> UUID:
    order = an_order(accepted_at=wired.parts.clock.now())
    state, events = advanced(OrderState(order), Status.PENDING, Status.ROUTING)
    wired.parts.record.create([NewOrder(state, events, None)], lease_ms=0)
    return order.order_id


def test_connection_is_noted_until_its_token_expires(wired: Wired) -> None:
    expires_at = NOON + timedelta(minutes=5)
    assert connected(expires_at=int(expires_at.timestamp())) == (200, None)
    assert wired.usage.noted == {"c=": expires_at}


def test_browser_is_answered_the_name_of_its_subprotocol_alone(wired: Wired) -> None:
    del wired
    answer = websocket.connect(event("CONNECT", headers={"Sec-WebSocket-Protocol": "bearer, a.b.c"}))
    assert answer["headers"] == {"Sec-WebSocket-Protocol": "bearer"}


def test_connection_without_an_account_is_not_let_in(wired: Wired) -> None:
    assert connected(account_id=None) == (401, "UNAUTHORIZED")
    assert wired.usage.noted == {}


def test_connection_that_no_authorizer_asked_for_shows_its_token_to_connect(wired: Wired) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    assert connected({"batch": "1"}, account_id=None, headers=headers) == (200, None)
    (answer,) = said(wired, {"action": "quote", **ORDER}, account_id=None)
    assert answer["type"] == "quote"
    assert said(wired, {"action": "submit", **ORDER}, account_id=None) == []
    (message,) = wired.parts.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.order.account_id == "alice"
    assert message.deferred_acknowledgement is not None
    assert wired.usage.looked_up == ["c="]


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "others"}])
def test_connection_that_no_authorizer_asked_for_is_not_let_in_by_a_bad_token(
    wired: Wired, claims: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {token(**claims)}"}
    assert connected(account_id=None, headers=headers) == (401, "UNAUTHORIZED")
    assert wired.usage.noted == {}


def test_connection_that_only_a_note_would_know_is_not_let_in_without_one(wired: Wired) -> None:
    wired.usage.is_down = True
    headers = {"Authorization": f"Bearer {token()}"}
    assert connected(account_id=None, headers=headers) == (503, "SERVICE_UNAVAILABLE")
    assert connected() == (200, None)


def test_connection_is_on_record_and_answered_by_the_api_that_it_came_in_by(wired: Wired) -> None:
    wired.set(CONNECTIONS_URL="")
    assert connected() == (200, None)
    name = "c=@api.execute-api.us-east-1.amazonaws.com/ws"
    assert list(wired.usage.noted) == [name]
    said(wired, {"action": "submit", **ORDER})
    (message,) = wired.parts.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.connection_id == name
    assert [frame["type"] for frame in wired.frames(name)] == ["accepted"]


def test_connection_that_came_in_by_an_api_of_others_is_not_let_in(wired: Wired) -> None:
    wired.set(CONNECTIONS_URL="", CONNECTIONS_HOSTS="ours.execute-api.us-east-1.amazonaws.com")
    assert connected() == (403, "FORBIDDEN")
    assert wired.usage.noted == {}
    assert websocket.disconnect(event("DISCONNECT")) == {"statusCode": 200}


def test_connection_beyond_the_accounts_limit_is_not_let_in(wired: Wired) -> None:
    wired.usage.has_room = False
    assert connected() == (429, "TOO_MANY_CONNECTIONS")


def test_order_in_the_url_waits_until_its_connection_is_established(wired: Wired) -> None:
    assert connected(dict(ORDER)) == (200, None)
    order, subscription = wired.parts.queue.messages
    assert isinstance(order, OrderMessage)
    assert isinstance(subscription, SubscribeMessage)
    assert (order.connection_id, subscription.connection_id, subscription.is_new) == (None, "c=", True)


def test_order_in_the_url_that_is_refused_lets_no_connection_in_and_leaves_none_noted(wired: Wired) -> None:
    wired.parts.subscriptions.connected("c=", NOON, batched=False)
    assert connected({**ORDER, "amount": "-1"}) == (400, "INVALID_REQUEST")
    assert wired.parts.queue.messages == []
    assert wired.parts.tables.connections == {}


def test_order_id_in_the_url_is_subscribed_to_by_way_of_the_queue(wired: Wired) -> None:
    order_id = uuid4()
    assert connected({"orderId": str(order_id), "afterSeq": "3"}) == (200, None)
    (message,) = wired.parts.queue.messages
    assert isinstance(message, SubscribeMessage)
    assert (message.order_id, message.after_seq, message.is_new, message.account_id) == (
        order_id, 3, True, "alice"
    )  # fmt: skip


@pytest.mark.parametrize(
    "query", [{"batch": "yes"}, {"orderId": "7"}, {"orderId": str(uuid4()), "afterSeq": "-1"}]
)
def test_url_that_breaks_a_rule_lets_no_connection_in(wired: Wired, query: dict[str, str]) -> None:
    assert connected(query) == (400, "INVALID_REQUEST")
    assert wired.parts.queue.messages == []


def test_url_that_a_client_comes_back_with_submits_no_order_beside_the_one_that_it_names(
    wired: Wired,
) -> None:
    assert connected({**ORDER, "orderId": str(uuid4())}) == (400, "INVALID_REQUEST")
    assert wired.parts.queue.messages == []


def test_url_that_says_an_amount_twice_lets_no_connection_in(wired: Wired) -> None:
    twice = {name: [value] for name, value in ORDER.items()} | {"amount": ["1", "2"]}
    assert connected(ORDER, multiValueQueryStringParameters=twice) == (400, "INVALID_REQUEST")
    assert wired.parts.queue.messages == []


def test_connection_that_asked_for_batches_is_noted_as_such(wired: Wired) -> None:
    connected({"batch": "1"})
    assert wired.usage.batched == {"c="}


def test_order_in_a_frame_is_acknowledged_at_once(wired: Wired) -> None:
    (answer,) = said(wired, {"action": "submit", "requestId": "r1", **ORDER})
    (message,) = wired.parts.queue.messages
    assert isinstance(message, OrderMessage)
    assert (answer["type"], answer["requestId"]) == ("accepted", "r1")
    assert (message.connection_id, message.order.account_id) == ("c=", "alice")
    assert answer["orderId"] == str(message.order.order_id)


def test_order_of_a_batched_connection_is_acknowledged_with_its_first_events(wired: Wired) -> None:
    assert said(wired, {"action": "submit", "requestId": "r1", **ORDER}, batched=True) == []
    (message,) = wired.parts.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.deferred_acknowledgement is not None


def test_order_that_the_queue_did_not_take_is_not_acknowledged(wired: Wired) -> None:
    wired.parts.queue.is_down = True
    (answer,) = said(wired, {"action": "submit", "requestId": "r1", **ORDER})
    assert (answer["type"], answer["code"]) == ("error", "SERVICE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "INVALID_JSON"),
        ("hello", "INVALID_JSON"),
        ("[]", "INVALID_JSON"),
        ('{"action":"sing"}', "UNKNOWN_ACTION"),
        ('{"action":"submit"}', "INVALID_REQUEST"),
    ],
)
def test_frame_that_breaks_a_rule_is_refused_and_leaves_the_connection_open(
    wired: Wired, frame: str, code: str
) -> None:
    (answer,) = said(wired, frame)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert wired.parts.connections.gone == set()


def test_frame_without_an_account_is_refused(wired: Wired) -> None:
    (answer,) = said(wired, {"action": "submit", **ORDER}, account_id=None)
    assert answer["code"] == "UNAUTHORIZED"
    assert wired.parts.queue.messages == []
    # Nothing is known of it, so it can only begin anew.
    assert wired.parts.connections.gone == {"c="}


def test_connection_that_outlived_its_token_may_say_nothing_and_is_closed(wired: Wired) -> None:
    past = int(NOON.timestamp()) - 1
    (answer,) = said(wired, {"action": "submit", "requestId": "r1", **ORDER}, expires_at=past)
    assert (answer["code"], answer["requestId"]) == ("UNAUTHORIZED", "r1")
    assert wired.parts.queue.messages == []
    assert wired.parts.connections.gone == {"c="}


def test_subscriber_gets_the_events_so_far_after_the_answer(wired: Wired) -> None:
    order = wired.on_record()
    frames = said(wired, {"action": "subscribe", "requestId": "r1", "orderId": str(order.order_id)})
    assert [(frame["type"], frame.get("seq")) for frame in frames] == [
        ("subscribed", None), *(("order", seq) for seq in range(1, 7))
    ]  # fmt: skip


def test_order_of_another_account_cannot_be_subscribed_to(wired: Wired) -> None:
    order = wired.on_record("alice")
    (answer,) = said(wired, {"action": "subscribe", "orderId": str(order.order_id)}, account_id="mallory")
    assert answer["code"] == "ORDER_NOT_FOUND"


def test_connection_with_too_many_subscriptions_gets_no_more(wired: Wired) -> None:
    order = wired.on_record()
    wired.usage.subscribed = 2
    (answer,) = said(wired, {"action": "subscribe", "orderId": str(order.order_id)})
    assert answer["code"] == "TOO_MANY_SUBSCRIPTIONS"


def test_unsubscribed_connection_has_no_subscription(wired: Wired) -> None:
    order = wired.on_record()
    said(wired, {"action": "subscribe", "orderId": str(order.order_id)})
    (answer,) = said(wired, {"action": "unsubscribe", "orderId": str(order.order_id)})
    assert answer["type"] == "unsubscribed"
    assert ("c=", order.order_id) not in wired.parts.tables.subscriptions


def test_cancel_is_told_to_the_connection_that_asked(wired: Wired) -> None:
    order_id = an_unsent_order(wired)
    (frame,) = said(wired, {"action": "cancel", "orderId": str(order_id)})
    assert (frame["type"], frame["status"], frame["seq"]) == ("order", "canceled", 3)


def test_quote_and_ping_are_answered_under_the_requests_own_mark(wired: Wired) -> None:
    (quote,) = said(wired, {"action": "quote", "requestId": "q", **ORDER})
    (pong,) = said(wired, {"action": "ping", "requestId": "p"})
    assert (quote["type"], quote["requestId"], pong["type"], pong["requestId"]) == ("quote", "q", "pong", "p")


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ({"action": "submit", **ORDER}, "accepted"),
        ({"action": "quote", **ORDER}, "quote"),
        ({"action": "ping"}, "pong"),
        ({"action": "sing"}, "error"),
    ],
)
def test_frame_is_answered_in_the_functions_result_where_the_api_has_a_route_response(
    wired: Wired, frame: dict[str, Any], kind: str
) -> None:
    wired.set(ROUTE_RESPONSES="1")
    result = websocket.message(event("MESSAGE", body=json.dumps({"requestId": "r1", **frame})))
    assert result["statusCode"] == 200
    answer = json.loads(result["body"])
    assert (answer["type"], answer["requestId"]) == (kind, "r1")
    assert wired.frames("c=") == []


def test_order_that_was_not_taken_is_refused_in_the_functions_result(wired: Wired) -> None:
    wired.set(ROUTE_RESPONSES="1")
    wired.parts.queue.is_down = True
    result = websocket.message(event("MESSAGE", body=json.dumps({"action": "submit", **ORDER})))
    assert json.loads(result["body"])["code"] == "SERVICE_UNAVAILABLE"


def test_answer_with_frames_after_it_is_posted_though_the_api_has_a_route_response(wired: Wired) -> None:
    wired.set(ROUTE_RESPONSES="1")
    order = wired.on_record()
    frames = said(wired, {"action": "subscribe", "orderId": str(order.order_id)})
    assert [frame["type"] for frame in frames] == ["subscribed", *["order"] * 6]


def test_answer_to_a_connection_that_is_closed_is_posted_though_the_api_has_a_route_response(
    wired: Wired,
) -> None:
    wired.set(ROUTE_RESPONSES="1")
    (answer,) = said(wired, {"action": "ping"}, expires_at=int(NOON.timestamp()) - 1)
    assert answer["code"] == "UNAUTHORIZED"
    assert wired.parts.connections.gone == {"c="}


def test_order_of_a_batched_connection_is_answered_by_nothing_but_its_events_over_a_route_response(
    wired: Wired,
) -> None:
    wired.set(ROUTE_RESPONSES="1")
    assert said(wired, {"action": "submit", **ORDER}, batched=True) == []


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "quote", **ORDER},
        {"action": "subscribe", "orderId": UNKNOWN},
        {"action": "unsubscribe", "orderId": UNKNOWN},
        {"action": "cancel", "orderId": UNKNOWN},
        {"action": "amend", "orderId": UNKNOWN, "amount": "2"},
        {"action": "cancelAll"},
        {"action": "ping"},
    ],
    ids=lambda frame: str(frame["action"]),
)
def test_each_kind_of_request_is_bounded(wired: Wired, frame: dict[str, Any]) -> None:
    wired.allow_one_request_of_each_kind()
    codes = [said(wired, frame)[-1].get("code") for _ in range(2)]
    assert [code == "RATE_LIMITED" for code in codes] == [False, True]
    assert said(wired, frame, account_id="bob")[-1].get("code") == codes[0]


def test_connection_that_leaves_is_forgotten_with_its_subscriptions(wired: Wired) -> None:
    order = wired.on_record()
    said(wired, {"action": "subscribe", "orderId": str(order.order_id)})
    assert websocket.disconnect(event("DISCONNECT")) == {"statusCode": 200}
    assert all(key[0] != "c=" for key in wired.parts.tables.subscriptions)


@pytest.mark.parametrize("error", [RetryableError("down"), KeyError("planted")])
def test_connection_that_cannot_be_forgotten_now_leaves_all_the_same(wired: Wired, error: Exception) -> None:
    def fail(_: object) -> None:
        raise error

    wired.parts.subscriptions.forget = fail  # type: ignore[method-assign,assignment]
    assert websocket.disconnect(event("DISCONNECT")) == {"statusCode": 200}
