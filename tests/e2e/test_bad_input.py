"""What clients get wrong: refused with the field and the rule, nothing stored,
the connection open, a quiet log.
"""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from chalicelib.adapters.postgres.engine import make_engine
from tests.e2e.bad_orders import BAD_JSON, BAD_NUMBERS, BAD_SIZES, BAD_TEXTS, BAD_TYPES, BadOrder
from tests.e2e.conftest import Connect, tracebacks
from tests.e2e.trader import Trader
from tests.support.instance import Instance

UNKNOWN_ID = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"
BAD_ORDERS = [*BAD_TEXTS, *BAD_TYPES]
COUNTS = text("""
SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_events),
    (SELECT count(*) FROM client_order_keys)
""")


@pytest.fixture(scope="module")
def crowd_of_mistakes(instance: Instance) -> Any:
    """One connection for all the mistakes of this module;
    nothing of them may be stored or break the engine.
    """
    with Trader(instance.websocket_url) as trader:
        # What other tests have put into the queue is on record by then.
        trader.finished(trader.submit(side="sell", amount="0.01"))
        before, errors_before = rows(instance), tracebacks(instance)
        yield trader
        assert trader.is_open()
        # Whatever went into the queue before this order has been consumed when it ends.
        trader.finished(trader.submit(side="sell", amount="0.01"))
    orders, events, keys = rows(instance)
    assert (orders, events, keys) == (before[0] + 1, before[1] + 6, before[2])
    assert tracebacks(instance) == errors_before


@pytest.fixture
def clumsy(crowd_of_mistakes: Trader) -> Trader:
    return crowd_of_mistakes


def rows(instance: Instance) -> tuple[int, int, int]:
    engine = make_engine(instance.status()["database_url"])
    with engine.connect() as connection:
        orders, events, keys = connection.execute(COUNTS).one()
    engine.dispose()
    return int(orders), int(events), int(keys)


def assert_names(refusal: dict[str, Any], field: str, problem: str) -> None:
    (detail,) = refusal["details"]
    assert detail["field"] == field
    assert problem in detail["problem"]
    assert field in refusal["message"]


@pytest.mark.parametrize("order", BAD_ORDERS, ids=str)
def test_bad_order_frame_is_answered_with_field_and_rule(clumsy: Trader, order: BadOrder) -> None:
    error = clumsy.ask(**order.members)
    assert error["type"] == "error"
    assert_names(error, order.field, order.problem)


@pytest.mark.parametrize("order", BAD_ORDERS, ids=str)
def test_bad_order_body_is_answered_with_field_and_rule(rest: httpx.Client, order: BadOrder) -> None:
    body = json.dumps(order.members)
    answer = rest.post("/orders", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert_names(answer.json(), order.field, order.problem)


@pytest.mark.parametrize("order", BAD_TEXTS, ids=str)
def test_bad_order_in_the_connection_url_is_refused_at_the_handshake(
    connect: Connect, order: BadOrder
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(**{name: str(value) for name, value in order.members.items()})
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
def test_broken_json_is_refused_as_such(clumsy: Trader, rest: httpx.Client, body: str) -> None:
    clumsy.send_text(body)
    error = clumsy.receive()
    assert (error["type"], error["code"]) == ("error", "INVALID_JSON")
    assert_names(error, "message", "must be")
    answer = rest.post("/orders", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_JSON")


@pytest.mark.parametrize("body", BAD_NUMBERS.values(), ids=BAD_NUMBERS.keys())
def test_number_that_no_float_can_hold_is_refused_by_its_digits(
    clumsy: Trader, rest: httpx.Client, body: str
) -> None:
    clumsy.send_text(body)
    error = clumsy.receive()
    answer = rest.post("/orders", content=body, headers={"Content-Type": "application/json"})
    assert error["details"] == answer.json()["details"]
    assert error["details"][0]["field"] == "amount"


@pytest.mark.parametrize("frame", [{}, {"action": "fly"}, {"action": 7}, {"hello": "world"}], ids=str)
def test_frame_without_a_known_action_is_told_which_there_are(clumsy: Trader, frame: dict[str, Any]) -> None:
    error = clumsy.ask(**frame)
    assert error["code"] == "UNKNOWN_ACTION"
    assert_names(
        error, "action", "submit, submitBatch, subscribe, unsubscribe, cancel, amend, cancelAll, quote, ping"
    )


@pytest.mark.parametrize(("code", "body"), BAD_SIZES.items(), ids=BAD_SIZES.keys())
def test_message_beyond_a_limit_is_refused_by_its_size(
    clumsy: Trader, rest: httpx.Client, code: str, body: str
) -> None:
    # API Gateway takes frames up to 32 KB and puts those of one message together.
    clumsy.send_in_parts(*(body[start : start + 30_000] for start in range(0, len(body), 30_000)))
    error = clumsy.receive()
    answer = rest.post("/orders", content=body, headers={"Content-Type": "application/json"})
    assert error["code"] == answer.json()["code"] == code
    assert_names(error, "message", "at most")
    assert answer.status_code == {"MESSAGE_TOO_LARGE": 413}.get(code, 400)


def test_large_text_in_one_frame_ends_the_connection_as_api_gateway_does(trader: Trader) -> None:
    trader.send_text(BAD_SIZES["MESSAGE_TOO_LARGE"])
    with pytest.raises(ConnectionClosedError) as closed:
        trader.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize("action", ["subscribe", "cancel"])
def test_unknown_order_is_not_found(clumsy: Trader, action: str) -> None:
    error = clumsy.ask(action=action, orderId=UNKNOWN_ID)
    assert error["code"] == "ORDER_NOT_FOUND"
    assert error["details"] == [{"field": "orderId", "problem": "is not an order of this account"}]


@pytest.mark.parametrize("order_id", ["nope", UNKNOWN_ID[:-1], UNKNOWN_ID + "0", "' OR 1=1", "", 5])
@pytest.mark.parametrize("action", ["subscribe", "cancel", "unsubscribe"])
def test_malformed_order_id_is_named(clumsy: Trader, action: str, order_id: object) -> None:
    assert_names(clumsy.ask(action=action, orderId=order_id), "orderId", "must be a UUID")


def test_malformed_order_id_in_the_connection_url_is_refused_at_the_handshake(connect: Connect) -> None:
    for query in ({"orderId": "nope"}, {"orderId": ""}, {"orderId": UNKNOWN_ID, "afterSeq": "-1"}):
        with pytest.raises(InvalidStatus) as refused:
            connect(**query)
        assert refused.value.response.status_code == 400


def test_unknown_order_in_the_connection_url_is_told_and_leaves_the_connection_open(connect: Connect) -> None:
    trader = connect(orderId=UNKNOWN_ID)
    assert trader.receive()["code"] == "ORDER_NOT_FOUND"
    assert trader.is_open()


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/orders/nope", 400, "orderId"),
        ("GET", f"/orders/{UNKNOWN_ID}", 404, "orderId"),
        ("GET", "/orders/%3Cscript%3E", 400, "orderId"),
        ("GET", "/orders/nope/events", 400, "orderId"),
        ("GET", f"/orders/{UNKNOWN_ID}/events", 404, "orderId"),
        ("GET", f"/orders/{UNKNOWN_ID}/events?afterSeq=x", 400, "afterSeq"),
        ("GET", f"/orders/{UNKNOWN_ID}/events?afterSeq=-1", 400, "afterSeq"),
        ("DELETE", "/orders/nope", 400, "orderId"),
        ("DELETE", f"/orders/{UNKNOWN_ID}", 404, "orderId"),
        ("GET", "/orders?limit=0", 400, "limit"),
        ("GET", "/orders?limit=1e3", 400, "limit"),
        ("GET", "/orders?limit=100000", 400, "limit"),
        ("GET", "/orders?status=done", 400, "status"),
        ("GET", "/orders?state=open", 400, "state"),
        ("GET", f"/orders/{UNKNOWN_ID}?orderId=x", 400, "orderId"),
        ("GET", "/markets?pair=SOL/USDC", 400, "pair"),
        ("DELETE", f"/orders/{UNKNOWN_ID}?ifSeq=1", 400, "ifSeq"),
        ("GET", "/orders?cursor=zzz", 400, "cursor"),
        ("GET", "/orders?cursor=%00", 400, "cursor"),
    ],
)
def test_bad_request_line_is_answered_with_the_field(
    rest: httpx.Client, method: str, path: str, status: int, field: str
) -> None:
    answer = rest.request(method, path)
    assert answer.status_code == status
    assert answer.json()["details"][0]["field"] == field


def test_bad_quote_is_refused_like_a_bad_order(clumsy: Trader, rest: httpx.Client) -> None:
    wish = {"inputToken": "SOL", "outputToken": "USDC", "amount": "-1"}
    assert_names(clumsy.ask(action="quote", **wish), "amount", "must be a plain positive decimal number")
    assert_names(rest.post("/quotes", json=wish).json(), "amount", "must be a plain positive decimal number")


def test_request_id_that_is_no_text_is_named(clumsy: Trader) -> None:
    clumsy.send_text('{"action":"ping","requestId":5}')
    assert_names(clumsy.receive(), "requestId", "must be text")
