"""Who gets in, as whom, for how long: the whole runtime, by way of real sockets."""

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.security.secured_app import TIME_LIMIT_S, Frame, SecuredApp, an_account, ask, receive, trade
from tests.support.plain_http import NO_TLS


def test_order_is_traded_by_a_database_login_that_owns_nothing(secured_app: SecuredApp) -> None:
    with secured_app.socket(an_account("alice")) as socket:
        trade(socket)


Handshake = Callable[[SecuredApp], dict[str, Any]]
HANDSHAKES: dict[str, tuple[int, Handshake]] = {
    "no token": (401, lambda _: {}),
    "not a token": (401, lambda _: {"additional_headers": {"Authorization": "Bearer x.y.z"}}),
    "another scheme": (401, lambda _: {"additional_headers": {"Authorization": "Basic YTpi"}}),
    "expired": (401, lambda app: {"additional_headers": app.bearer("alice", exp=int(time.time()) - 1)}),
    "another audience": (401, lambda app: {"additional_headers": app.bearer("alice", aud="other")}),
    "two tokens": (
        401,
        lambda app: {"additional_headers": app.bearer("a"), "query": f"?token={app.token('b')}"},
    ),
    "no account": (403, lambda app: {"additional_headers": app.bearer("two words")}),
    "header": (101, lambda app: {"additional_headers": app.bearer(an_account("a"))}),
    "query": (101, lambda app: {"query": f"?token={app.token(an_account('a'))}"}),
}


@pytest.mark.parametrize("case", HANDSHAKES)
def test_handshake_is_answered_by_its_token(secured_app: SecuredApp, case: str) -> None:
    status, handshake = HANDSHAKES[case]
    assert secured_app.refusal(**handshake(secured_app)) == status


def test_browser_shows_its_token_as_a_subprotocol_and_gets_only_the_name_back(
    secured_app: SecuredApp,
) -> None:
    account = an_account("alice")
    offered = [Subprotocol("bearer"), Subprotocol(secured_app.token(account))]
    url = secured_app.instance.websocket_url
    with connect(url, subprotocols=offered, open_timeout=TIME_LIMIT_S) as socket:
        assert socket.response is not None
        assert socket.response.headers.get_all("Sec-WebSocket-Protocol") == ["bearer"]
        order_id = trade(socket)
    assert secured_app.rest(account, "GET", f"/orders/{order_id}").json()["status"] == "confirmed"


def test_batches_go_with_a_token(secured_app: SecuredApp) -> None:
    with secured_app.socket(an_account("alice"), "?batch=1") as socket:
        socket.send('{"requestId":"r1","side":"sell","amount":"0.01"}')
        first = receive(socket, lambda _: True)
    assert first["type"] == "batch"
    assert (first["frames"][0]["type"], first["frames"][0]["requestId"]) == ("accepted", "r1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/orders"),
        ("POST", "/orders/execute"),
        ("GET", "/orders"),
        ("GET", "/orders/01a1fbd8-a21d-7121-ab82-6bf5a9e707ad"),
        ("GET", "/orders/01a1fbd8-a21d-7121-ab82-6bf5a9e707ad/events"),
        ("DELETE", "/orders/01a1fbd8-a21d-7121-ab82-6bf5a9e707ad"),
        ("POST", "/quotes"),
        ("GET", "/venues"),
    ],
)
def test_route_without_a_token_is_401_before_anything_else_is_looked_at(
    secured_app: SecuredApp, method: str, path: str
) -> None:
    answer = httpx.request(
        method, f"{secured_app.instance.rest_url}{path}", content=b"{", timeout=TIME_LIMIT_S, verify=NO_TLS
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")


def test_health_needs_no_token(secured_app: SecuredApp) -> None:
    assert httpx.get(f"{secured_app.instance.rest_url}/health", timeout=TIME_LIMIT_S).json() == {
        "status": "ok"
    }


def test_connection_ends_with_its_token(secured_app: SecuredApp) -> None:
    # A busy machine answers when so short a token is over, and the sweep may close before a ping.
    told = (_told_until_its_end(secured_app, valid_s) for valid_s in (4, 16, 64))
    assert next((codes for codes in told if codes == ["pong", "UNAUTHORIZED"]), None), "never told"


def _told_until_its_end(secured_app: SecuredApp, valid_s: int) -> list[str]:
    """Return the answers to pings on a connection whose token lasts so long, each kind once, in order."""
    codes, ends_at = [], int(time.time()) + valid_s
    with suppress(InvalidStatus), secured_app.socket(an_account("alice"), exp=ends_at) as socket:
        while (answer := _answer_before_close(socket)) is not None:
            codes.append(answer.get("code", "pong"))
            time.sleep(0.1)
    return [code for code, _ in groupby(codes)]


def _answer_before_close(socket: ClientConnection) -> Frame | None:
    try:
        return ask(socket, action="ping")
    except ConnectionClosed:
        return None


def test_no_token_is_found_anywhere_afterwards(secured_app: SecuredApp) -> None:
    with secured_app.socket(an_account("alice"), "?side=sell&amount=0.01") as socket:
        receive(socket, lambda frame: frame.get("status") == "confirmed")
    by_query = f"{secured_app.instance.websocket_url}?token={secured_app.token(an_account('bob'))}"
    with connect(by_query, open_timeout=TIME_LIMIT_S) as socket:
        trade(socket)
    assert secured_app.rest(an_account("carol"), "GET", "/orders").status_code == 200
    expired = secured_app.bearer(an_account("alice"), exp=int(time.time()) - 1)
    assert secured_app.refusal(additional_headers=expired) == 401
    assert len(secured_app.shown) > 3
    needles = {part for token in secured_app.shown for part in token.split(".")[1:]}
    found = [needle for text in secured_app.traces() for needle in needles if needle in text]
    assert not found
