"""The REST routes: what of a request counts, and what is answered."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from chalice.app import Request, Response

from chalicelib.config import ChainName
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.orders import OrderState
from chalicelib.domain.progress import NewOrder
from chalicelib.domain.queue_messages import OrderMessage
from chalicelib.domain.statuses import OrderStatus as Status
from chalicelib.domain.transactions import ChainHealth
from chalicelib.handlers import rest, several_orders
from chalicelib.services.ports import OrderView
from tests.deploy.events import ORDER, rest_event
from tests.fakes.orders import advanced, an_order
from tests.security.tokens import token
from tests.unit.handlers.conftest import Wired

UNKNOWN = str(uuid4())


def request(
    body: Any = None,
    *,
    account_id: str | None = "alice",
    query: dict[str, str] | None = None,
    **headers: str,
) -> Request:
    event = rest_event("POST" if body else "GET", "/", body)
    event["multiValueQueryStringParameters"] = {name: [value] for name, value in (query or {}).items()}
    shown = {} if account_id is None else {"authorization": f"Bearer {token(sub=account_id)}"}
    event["headers"] = {**event["headers"], **shown, **{n.replace("_", "-"): v for n, v in headers.items()}}
    return Request(event, None)


def body_of(response: Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.body)
    return found


def code_of(response: Response) -> tuple[int, str]:
    return response.status_code, body_of(response)["code"]


def an_unsent_order(wired: Wired) -> UUID:
    order = an_order(accepted_at=wired.parts.clock.now())
    state, events = advanced(OrderState(order), Status.PENDING, Status.ROUTING)
    wired.parts.record.create([NewOrder(state, events, None)], lease_ms=0)
    return order.order_id


def test_accepted_order_is_on_the_queue_under_the_account_of_the_token(wired: Wired) -> None:
    response = rest.submit(request(ORDER, account_id="bob"))
    (message,) = wired.parts.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.order.account_id == "bob"
    assert response.status_code == 202
    assert body_of(response) == {
        "orderId": str(message.order.order_id),
        "clientOrderId": None,
        "status": "accepted",
    }


def test_account_in_a_body_counts_for_nothing(wired: Wired) -> None:
    rest.submit(request({**ORDER, "accountId": "mallory", "account_id": "mallory"}))
    (message,) = wired.parts.queue.messages
    assert isinstance(message, OrderMessage)
    assert message.order.account_id == "alice"


def test_idempotency_key_is_the_client_order_id(wired: Wired) -> None:
    first = body_of(rest.submit(request(ORDER, idempotency_key="k1")))
    second = body_of(rest.submit(request({**ORDER, "clientOrderId": "k1"})))
    assert (first["clientOrderId"], first["orderId"]) == ("k1", second["orderId"])
    other = rest.submit(request({**ORDER, "clientOrderId": "k2"}, idempotency_key="k1"))
    assert code_of(other) == (400, "INVALID_REQUEST")
    assert len(wired.parts.queue.messages) == 2


def test_two_idempotency_keys_are_refused_and_the_same_one_twice_is_one(wired: Wired) -> None:
    asked = request(ORDER, Idempotency_Key="k2").to_original_event()
    for keys, status in ((["k1", "k2"], 400), (["k2", "k2"], 202)):
        twice = Request(asked | {"multiValueHeaders": {"idempotency-key": keys}}, None)
        assert rest.submit(twice).status_code == status
    assert len(wired.parts.queue.messages) == 1


def test_request_that_only_asks_changes_nothing_on_a_route_that_can_only_do_it(wired: Wired) -> None:
    order_id = an_unsent_order(wired)
    asked = {"dryRun": "true"}
    refused = [
        rest.cancel(request(query=asked), str(order_id)),
        rest.amend(request({"amount": "2"}, query=asked), str(order_id)),
        rest.amend(request({"amount": "2", "dryRun": True}), str(order_id)),
        several_orders.cancel_all(request(query=asked)),
        several_orders.submit_batch(request({"orders": [ORDER]}, query=asked)),
    ]
    assert {code_of(each) for each in refused} == {(400, "INVALID_REQUEST")}
    assert wired.parts.tables.orders[order_id].state.status is Status.ROUTING
    assert wired.parts.queue.messages == []


def test_other_terms_under_a_taken_id_are_a_conflict(wired: Wired) -> None:
    rest.submit(request(ORDER, idempotency_key="k1"))
    again = rest.submit(request({**ORDER, "amount": "9"}, idempotency_key="k1"))
    assert code_of(again) == (409, "CLIENT_ORDER_ID_CONFLICT")
    assert len(wired.parts.queue.messages) == 1


def test_order_that_the_queue_does_not_take_or_may_have_taken_is_told_apart(wired: Wired) -> None:
    wired.parts.queue.is_down = True
    assert code_of(rest.submit(request(ORDER))) == (503, "SERVICE_UNAVAILABLE")
    wired.parts.queue.is_down, wired.parts.queue.is_mute = False, True
    assert code_of(rest.submit(request(ORDER))) == (503, "OUTCOME_UNKNOWN")


@pytest.mark.usefixtures("wired")
def test_order_beyond_the_accounts_rate_is_refused() -> None:
    answers = [rest.submit(request(ORDER)).status_code for _ in range(6)]
    assert answers == [202] * 5 + [429]
    assert rest.submit(request(ORDER, account_id="bob")).status_code == 202


@pytest.mark.parametrize(
    "ask",
    [
        lambda who: rest.order(request(account_id=who), UNKNOWN),
        lambda who: rest.orders(request(account_id=who)),
        lambda who: rest.events(request(account_id=who), UNKNOWN),
        lambda who: rest.cancel(request(account_id=who), UNKNOWN),
        lambda who: rest.amend(request({"amount": "2"}, account_id=who), UNKNOWN),
        lambda who: several_orders.cancel_all(request(account_id=who)),
        lambda who: rest.quote(request(ORDER, account_id=who)),
        lambda who: rest.venues(request(account_id=who)),
        lambda who: rest.markets(request(account_id=who)),
    ],
    ids=["order", "orders", "events", "cancel", "amend", "cancel all", "quote", "venues", "markets"],
)
def test_each_kind_of_request_is_bounded(wired: Wired, ask: Callable[[str], Response]) -> None:
    wired.allow_one_request_of_each_kind()
    answers = [ask(who) for who in ("alice", "alice", "bob")]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [statuses[0], 429, statuses[0]]
    assert statuses[0] != 429
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "1", None]


@pytest.mark.usefixtures("wired")
def test_every_route_but_health_asks_who_is_calling() -> None:
    order_id, anonymous = str(uuid4()), request(ORDER, account_id=None)
    refused = [
        rest.submit(anonymous),
        rest.order(anonymous, order_id),
        rest.orders(anonymous),
        rest.events(anonymous, order_id),
        rest.cancel(anonymous, order_id),
        rest.quote(anonymous),
        rest.venues(anonymous),
    ]
    assert {code_of(each) for each in refused} == {(401, "UNAUTHORIZED")}
    assert (rest.health().status_code, rest.ready.__name__) == (200, "ready")


def test_order_and_its_events_are_its_accounts_alone(wired: Wired) -> None:
    order = wired.on_record("alice")
    order_id = str(order.order_id)
    assert body_of(rest.order(request(), order_id))["status"] == "confirmed"
    assert [each["seq"] for each in body_of(rest.events(request(), order_id))["events"]] == [1, 2, 3, 4, 5, 6]
    foreign = request(account_id="mallory")
    assert code_of(rest.order(foreign, order_id)) == (404, "ORDER_NOT_FOUND")
    assert code_of(rest.events(foreign, order_id)) == (404, "ORDER_NOT_FOUND")
    assert body_of(rest.orders(foreign))["orders"] == []


def test_events_begin_after_the_one_named(wired: Wired) -> None:
    order = wired.on_record()
    found = body_of(rest.events(request(query={"afterSeq": "4"}), str(order.order_id)))
    assert [each["seq"] for each in found["events"]] == [5, 6]


def test_pages_follow_their_cursor_and_hold_every_order_once(wired: Wired) -> None:
    orders = [wired.on_record() for _ in range(4)]
    first = body_of(rest.orders(request(query={"limit": "3"})))
    second = body_of(rest.orders(request(query={"cursor": first["nextCursor"]})))
    listed = [each["orderId"] for each in (*first["orders"], *second["orders"])]
    assert sorted(listed) == sorted(str(order.order_id) for order in orders)
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "4"},
        {"limit": "x"},
        {"limit": "-1"},
        {"limit": "9" * 5_000},
        {"limit": "\u0663"},
        {"status": "sent"},
        {"cursor": "?"},
    ],
)
@pytest.mark.usefixtures("wired")
def test_query_that_breaks_a_rule_is_refused(query: dict[str, str]) -> None:
    response = rest.orders(request(query=query))
    assert response.status_code == 400
    assert [each["field"] for each in body_of(response)["details"]] == list(query)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("state", "is not a parameter; the parameters are cursor, limit, status"),
        ("clientOrderId", "is not a parameter; the parameters are cursor, limit, status"),
        ("statu", "is not a field; did you mean status?"),
        ("Status", "is not a field; did you mean status?"),
    ],
)
def test_list_that_is_narrowed_by_what_it_does_not_know_is_refused(
    wired: Wired, name: str, problem: str
) -> None:
    wired.on_record()
    response = rest.orders(request(query={name: "open"}))
    assert code_of(response) == (400, "INVALID_REQUEST")
    assert body_of(response)["details"] == [{"field": name, "problem": problem}]
    # Of AWS's own, for a request that is signed in its URL.
    signed = rest.orders(request(query={"X-Amz-Signature": "00", "x-amz-date": "0", "limit": "1"}))
    assert len(body_of(signed)["orders"]) == 1


def test_read_that_takes_no_such_parameter_says_so(wired: Wired) -> None:
    order_id = str(wired.on_record().order_id)
    asked = {"baseAsset": "SOL"}
    refused = [
        rest.venues(request(query=asked)),
        rest.markets(request(query=asked)),
        rest.events(request(query=asked), order_id),
    ]
    problems = [body_of(each)["details"][0] for each in refused]
    assert problems == [
        {"field": "baseAsset", "problem": f"is not a parameter; {there}"}
        for there in ("there are none here", "there are none here", "the parameters are afterSeq")
    ]


def test_what_a_body_has_to_say_is_refused_in_the_url(wired: Wired) -> None:
    order_id = an_unsent_order(wired)
    refused = [
        rest.submit(request(ORDER, query={"clientOrderId": "k1"})),
        rest.submit(request(ORDER, query={"slippage_bps": "1"})),
        rest.quote(request(ORDER, query={"swapMode": "exactOut"})),
        rest.amend(request({"amount": "2"}, query={"ifSeq": "7"}), str(order_id)),
        several_orders.submit_batch(request({"orders": [ORDER]}, query={"slippageBps": "1"})),
    ]
    assert {code_of(each) for each in refused} == {(400, "INVALID_REQUEST")}
    assert [body_of(each)["details"][0]["field"] for each in refused] == [
        "clientOrderId",
        "slippage_bps",
        "swapMode",
        "ifSeq",
        "slippageBps",
    ]
    assert wired.parts.queue.messages == []
    assert rest.submit(request(ORDER, query={"utm_source": "x"})).status_code == 202


@pytest.mark.parametrize(
    ("body", "query", "field"),
    [
        ({"orderId": str(uuid4())}, {}, "orderId"),
        ({"orderId": "7"}, {}, "orderId"),
        ({"orderId": 7}, {}, "orderId"),
        ({"order_id": str(uuid4())}, {}, "order_id"),
        (None, {"orderId": str(uuid4())}, "orderId"),
        ({"ifSeq": 9}, {}, "ifSeq"),
        (None, {"ifSeq": "9"}, "ifSeq"),
        ({"dryRun": True}, {}, "dryRun"),
    ],
)
def test_cancel_that_says_something_else_beside_its_path_is_refused(
    wired: Wired, body: dict[str, Any] | None, query: dict[str, str], field: str
) -> None:
    order_id = an_unsent_order(wired)
    response = rest.cancel(request(body, query=query), str(order_id))
    assert [each["field"] for each in body_of(response)["details"]] == [field]
    assert wired.parts.tables.orders[order_id].state.status is Status.ROUTING


def test_cancel_whose_body_says_the_same_is_done(wired: Wired) -> None:
    order_id = str(an_unsent_order(wired))
    same = rest.cancel(request({"orderId": order_id.upper()}), order_id)
    assert body_of(same)["status"] == "canceled"


def test_amendment_that_names_another_order_than_its_path_is_refused(wired: Wired) -> None:
    order_id = str(an_unsent_order(wired))
    response = rest.amend(request({"amount": "2", "orderId": str(uuid4())}), order_id)
    problem = "must be the order of the path, if it is given"
    assert body_of(response)["details"] == [{"field": "orderId", "problem": problem}]
    # Of the same order, only that it does not rest is said.
    told = rest.amend(request({"amount": "2", "orderId": order_id.upper()}), order_id)
    assert code_of(told)[0] == 409


@pytest.mark.usefixtures("wired")
def test_order_id_that_is_none_is_refused() -> None:
    assert code_of(rest.order(request(), "7")) == (400, "INVALID_REQUEST")


def test_canceled_order_is_shown_as_it_stands_and_a_second_cancel_is_a_conflict(wired: Wired) -> None:
    order_id = str(an_unsent_order(wired))
    assert body_of(rest.cancel(request(), order_id))["status"] == "canceled"
    assert code_of(rest.cancel(request(), order_id)) == (409, "ORDER_ALREADY_FINAL")


def test_order_of_another_account_is_not_canceled(wired: Wired) -> None:
    order_id = an_unsent_order(wired)
    assert code_of(rest.cancel(request(account_id="mallory"), str(order_id))) == (404, "ORDER_NOT_FOUND")
    assert wired.parts.tables.orders[order_id].state.status is Status.ROUTING


def test_cancel_that_is_done_and_cannot_be_shown_is_not_told_as_undone(wired: Wired) -> None:
    order_id = an_unsent_order(wired)

    def down(*_: object) -> OrderView | None:
        raise RetryableError("the database is down")

    wired.parts.queries.find = down  # type: ignore[method-assign,assignment]
    assert code_of(rest.cancel(request(), str(order_id))) == (503, "OUTCOME_UNKNOWN")
    assert wired.parts.tables.orders[order_id].state.status is Status.CANCELED


def test_quote_stores_nothing_and_puts_nothing_on_the_queue(wired: Wired) -> None:
    quote = body_of(rest.quote(request({**ORDER, "amount": "1"})))
    assert quote["outputAmount"].startswith("199.49")
    assert (wired.parts.queue.messages, wired.parts.tables.orders) == ([], {})


@pytest.mark.usefixtures("wired")
def test_venues_are_listed() -> None:
    assert [each["venue"] for each in body_of(rest.venues(request()))["venues"]] == ["raydium", "meteora"]


def test_readiness_names_what_does_not_answer(wired: Wired) -> None:
    def down() -> None:
        raise RetryableError("down")

    vars(wired.services)["check_database"] = down
    response = rest.ready()
    assert response.status_code == 503
    assert body_of(response) == {
        "status": "unavailable",
        "database": "unavailable",
        "queue": "ok",
        "prices": "unknown",
    }
    vars(wired.services).update(check_database=lambda: None, check_chain=lambda: None)
    ready = {"database": "ok", "queue": "ok", "prices": "ok"}
    assert body_of(rest.ready()) == {"status": "ok", **ready}
    vars(wired.services)["check_chain"] = down
    response = rest.ready()
    assert response.status_code == 503
    missing = {"market": "unavailable", "prices": "unknown"}
    assert body_of(response) == {**ready, "status": "unavailable", **missing}


def test_readiness_on_solana_says_how_old_the_chain_is_that_its_nodes_show(wired: Wired) -> None:
    health: list[ChainHealth | RetryableError] = [ChainHealth(7, 2, 33, 1), RetryableError("no node")]

    def check_chain() -> ChainHealth:
        found = health.pop(0)
        if isinstance(found, RetryableError):
            raise found
        return found

    settings = wired.services.settings.model_copy(update={"chain": ChainName.SOLANA})
    vars(wired.services).update(
        settings=settings, check_database=lambda: None, check_queue=lambda: None, check_chain=check_chain
    )
    shown = {"database": "ok", "queue": "ok", "chain": "ok", "prices": "ok"}
    seen = {"slot": 7, "slotAgeSeconds": 2, "pools": 33, "poolsRefused": 1}
    response = rest.ready()
    assert (response.status_code, body_of(response)) == (200, {"status": "ok", **shown, **seen})
    response = rest.ready()
    assert response.status_code == 503
    assert body_of(response) == {
        "status": "unavailable",
        **shown,
        "chain": "unavailable",
        "prices": "unknown",
    }
