"""Who is calling: by exactly one good token, and by nothing that a message says."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.config import AuthMode, Settings
from chalicelib.domain.errors import Code, UnauthorizedError
from chalicelib.domain.principals import LOCAL_ACCOUNT, OPERATOR_SCOPE, Principal
from chalicelib.handlers.identity import (
    Caller,
    accepted_subprotocol,
    connecting_principal,
    connection_name,
    handshake_principal,
    http_account,
    http_operator,
    websocket_caller,
)
from tests.security.tokens import token
from tests.unit.handlers.conftest import Wired

# Made when tests are collected, and still good when this one is run, however long the others take.
GOOD = token(exp=int(time.time()) + 86_400)


@pytest.fixture(autouse=True)
def _wired(wired: Wired) -> None:
    del wired


@pytest.fixture
def open_to_all(wired: Wired) -> None:
    """Settings as on a machine that only its user reaches."""
    wired.services.settings = Settings(auth_mode=AuthMode.NONE)


def handshake(headers: dict[str, str] | None = None, query: dict[str, str] | None = None) -> dict[str, Any]:
    return {"headers": headers, "queryStringParameters": query}


@pytest.mark.parametrize("authorization", [f"Bearer {GOOD}", f"bearer  {GOOD} ", f"BEARER {GOOD}"])
def test_rest_request_is_its_tokens_accounts(authorization: str) -> None:
    assert http_account({"authorization": authorization}) == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {GOOD}"},
        {"authorization": GOOD},
        {"x-account": "alice"},
    ],
)
def test_rest_request_without_a_bearer_token_is_nobodys(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthorizedError) as refused:
        http_account(headers)
    assert refused.value.code is Code.UNAUTHORIZED


@pytest.mark.parametrize(
    "event",
    [
        handshake({"Authorization": f"Bearer {GOOD}"}),
        handshake({"Sec-WebSocket-Protocol": f"bearer, {GOOD}"}),
        handshake({"Sec-WebSocket-Protocol": "bearer", "sec-websocket-protocol": GOOD}),
        handshake({"Sec-WebSocket-Protocol": f"bearer, , {GOOD},"}),
        handshake(query={"token": GOOD}),
    ],
)
def test_handshake_may_show_its_token_in_any_of_three_places(event: dict[str, Any]) -> None:
    assert handshake_principal(event).account_id == "alice"


@pytest.mark.parametrize(
    "event",
    [
        handshake(),
        handshake({"X-Authorization": f"Bearer {GOOD}"}),
        handshake({"X-Protocol": f"bearer, {GOOD}"}),
        handshake({"Sec-WebSocket-Protocol": GOOD}),
        handshake({"Sec-WebSocket-Protocol": "bearer"}),
        handshake({"Sec-WebSocket-Protocol": f"bearer, {GOOD}, {GOOD}"}),
        handshake({"Authorization": f"Bearer {GOOD}"}, {"token": GOOD}),
        handshake({"Authorization": f"Bearer {GOOD}", "authorization": f"Bearer {GOOD}"}),
        handshake(query={"token": "x.y.z"}),
    ],
)
def test_handshake_with_no_token_or_two_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError):
        handshake_principal(event)


def test_subprotocol_that_is_answered_is_never_the_token() -> None:
    assert accepted_subprotocol(handshake({"Sec-WebSocket-Protocol": f"{GOOD}, bearer"})) == "bearer"
    assert accepted_subprotocol(handshake({"Sec-WebSocket-Protocol": GOOD})) is None


def test_later_event_is_the_accounts_that_the_authorizer_found_until_its_token_expires() -> None:
    context = {"authorizer": {"principalId": "alice", "expiresAt": "1767268800"}}
    alice = Principal("alice", datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert websocket_caller(context, "c=").principal == alice
    assert websocket_caller({"authorizer": {"principalId": "alice"}}, "c=").principal == Principal("alice")


@pytest.mark.parametrize("context", [{}, {"authorizer": None}, {"authorizer": {"principalId": ""}}])
def test_event_that_came_by_no_authorizer_on_a_connection_that_is_not_noted_is_refused(
    context: dict[str, Any],
) -> None:
    with pytest.raises(UnauthorizedError):
        websocket_caller(context, "c=")


def test_event_that_came_by_no_authorizer_is_the_account_that_connect_noted(wired: Wired) -> None:
    until = datetime(2026, 1, 1, 12, tzinfo=UTC)
    wired.usage.note_connection("c=", "alice", until, batched=True, limit=1)
    assert websocket_caller({}, "c=") == Caller(Principal("alice", until), is_batched=True)


def test_event_of_an_api_that_is_none_of_the_deployments_is_refused(wired: Wired) -> None:
    wired.set(CONNECTIONS_URL="", CONNECTIONS_HOSTS="ours.execute-api.us-east-1.amazonaws.com")
    theirs = {
        "apiId": "theirs",
        "domainName": "theirs.execute-api.us-east-1.amazonaws.com",
        "stage": "api",
        "connectionId": "c=",
    }
    with pytest.raises(UnauthorizedError, match="CONNECTIONS_HOSTS"):
        connection_name(theirs)


def test_what_needs_an_operator_is_refused_to_a_good_token_without_the_scope() -> None:
    with pytest.raises(UnauthorizedError) as refused:
        http_operator({"authorization": f"Bearer {GOOD}"})
    assert refused.value.code is Code.FORBIDDEN
    operators = token(exp=int(time.time()) + 86_400, scope=OPERATOR_SCOPE)
    assert http_operator({"authorization": f"Bearer {operators}"}) == "alice"


def test_connection_is_known_by_its_note_alone_where_no_authorizer_ran(wired: Wired) -> None:
    shown = handshake({"Authorization": f"Bearer {GOOD}"})
    authorized = {"authorizer": {"principalId": "bob"}}
    assert connecting_principal(shown | {"requestContext": authorized}) == (Principal("bob"), False)
    principal, is_relied_on = connecting_principal(shown | {"requestContext": {}})
    assert (principal.account_id, is_relied_on) == ("alice", True)
    with pytest.raises(UnauthorizedError):
        connecting_principal(handshake() | {"requestContext": {}})
    wired.services.settings = Settings(auth_mode=AuthMode.NONE)
    opened = connecting_principal(handshake() | {"requestContext": {}})
    assert opened == (Principal(LOCAL_ACCOUNT), False)


@pytest.mark.usefixtures("open_to_all")
def test_where_no_token_is_asked_for_every_client_is_the_local_account() -> None:
    assert http_account({}) == LOCAL_ACCOUNT
    assert handshake_principal(handshake()) == Principal(LOCAL_ACCOUNT)
    assert websocket_caller({}, "c=") == Caller(Principal(LOCAL_ACCOUNT), is_batched=False)
    assert http_operator({}) == LOCAL_ACCOUNT


def test_batches_are_for_connections_whose_handshake_asked_for_them() -> None:
    asked, others = ({"principalId": "alice", "batch": each} for each in ("1", "0"))
    assert websocket_caller({"authorizer": asked}, "c=").is_batched
    assert not websocket_caller({"authorizer": others}, "c=").is_batched
