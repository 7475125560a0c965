"""What the gateway logs of its clients and of functions, and what its refusals of a handshake look like."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from chalice_offline.invocation import Outcome, Raised, Returned
from tests.unit.chalice_offline.gateway.clients import connection_id, http_client, websocket_url
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway


def test_each_event_of_a_websocket_is_logged_with_what_became_of_it() -> None:
    logged: list[tuple[str, Mapping[str, Any]]] = []

    async def scenario() -> str:
        functions = FakeFunctions(message=Raised("KeyError", "x"))
        async with a_gateway(functions, log=lambda *entry: logged.append(entry)) as gateway:
            async with connect(websocket_url(gateway)) as client, http_client(gateway) as http:
                made = connection_id(functions)
                await client.send("hello")
                await client.recv()
                await http.post(f"/ws/@connections/{made}", content="x")
            await functions.wait_for("disconnect")
        return made

    made = asyncio.run(scenario())
    by_name = dict(logged)
    assert [name for name, _ in logged] == [
        "connection opened",
        "function failed",
        "message",
        "callback",
        "connection closed",
    ]
    assert all(
        by_name[name]["connection_id"] == made
        for name in ("connection opened", "message", "connection closed")
    )
    assert (by_name["message"]["route"], by_name["message"]["outcome"]) == ("$default", "raised")
    assert (by_name["callback"]["method"], by_name["callback"]["status"]) == ("POST", 200)
    assert by_name["connection closed"]["code"] == 1000


def refusal(**functions: Outcome) -> tuple[int, str | None, str | None]:
    """Return status, content type and error type of a handshake that is refused."""

    async def scenario() -> tuple[int, str | None, str | None]:
        manifest = {"authorizer_function": "guard"} if "guard" in functions else {}
        async with a_gateway(FakeFunctions(**functions), manifest=manifest) as gateway:
            with pytest.raises(InvalidStatus) as refused:
                await connect(websocket_url(gateway)).__aenter__()
        response = refused.value.response
        headers = response.headers
        return response.status_code, headers.get("Content-Type"), headers.get("x-amzn-ErrorType")

    return asyncio.run(scenario())


DENY = {
    "principalId": "me",
    "policyDocument": {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},
}


@pytest.mark.parametrize(
    ("functions", "status", "error_type"),
    [
        ({"guard": Raised("Exception", "Unauthorized")}, 401, "UnauthorizedException"),
        ({"guard": Returned(DENY)}, 403, "ForbiddenException"),
        ({"guard": Returned(None)}, 500, "AuthorizerConfigurationException"),
        ({"connect": Returned({"statusCode": 403})}, 403, None),
    ],
)
def test_refused_handshake_names_the_type_of_error_unless_it_is_the_apps_own(
    functions: dict[str, Outcome], status: int, error_type: str | None
) -> None:
    assert refusal(**functions) == (status, "application/json", error_type)


def warnings_of(path: str, **functions: Outcome) -> list[tuple[str, Mapping[str, Any]]]:
    """Return what two requests of a kind have the developer told."""
    told: list[tuple[str, Mapping[str, Any]]] = []
    manifest: dict[str, Any] = {
        "http_function": "api_handler",
        "http_routes": {"/": ("GET",), "/me": ("GET",), "/ping": ("GET",)},
    }
    manifest |= {"http_authorizers": {"/me": {"GET": "guard"}}, "authorizer_function": "guard"}

    async def scenario() -> None:
        async with (
            a_gateway(
                FakeFunctions(**functions),
                manifest=manifest,
                base_path="/",
                warn=lambda *entry: told.append(entry),
            ) as gateway,
            http_client(gateway) as http,
        ):
            for _ in range(2):
                if path:
                    await http.get(path, headers={"Authorization": "x"})
                else:
                    with contextlib.suppress(InvalidStatus):
                        await connect(websocket_url(gateway)).__aenter__()

    asyncio.run(scenario())
    return told


@pytest.mark.parametrize("payload", [{"statusCode": 999}, {"statusCode": 200, "headers": {"X A": "1"}}, None])
def test_answer_that_is_not_sent_on_is_told_once_though_the_function_did_not_fail(payload: Any) -> None:
    ((message, facts),) = warnings_of("/api/", api_handler=Returned(payload))
    assert "502" in message
    assert facts == {"route": "GET /"}
    assert warnings_of("/api/", api_handler=Raised("KeyError", "x")) == []
    assert warnings_of("/api/", api_handler=Returned({"statusCode": 502})) == []


@pytest.mark.parametrize("path", ["/api/me", ""])
def test_authorizer_that_answers_no_policy_is_told_once(path: str) -> None:
    ((message, facts),) = warnings_of(path, guard=Returned(None))
    assert "no policy" in message
    assert facts == {"authorizer": "guard"}
    assert warnings_of(path, guard=Raised("KeyError", "x")) == []
    denial = {"principalId": "me", "policyDocument": {"Statement": []}}
    assert warnings_of(path, guard=Returned(denial)) == []


def test_route_that_api_gateway_answers_itself_at_the_root_is_told_once() -> None:
    ((message, facts),) = warnings_of("/ping")
    assert "itself" in message
    assert facts == {"path": "/ping", "stage": "/api"}
    assert warnings_of("/api/ping", api_handler=Returned({"statusCode": 200})) == []
    assert warnings_of("/sping") == []


def test_client_that_speaks_no_http_is_told_once_in_the_log_and_not_past_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []

    async def scenario() -> None:
        async with a_gateway(FakeFunctions(), warn=lambda *entry: told.append(entry)) as gateway:
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(b"\x16\x03\x01 how TLS begins\r\n\r\n")
                assert b" 400 " in await reader.readline()
                writer.close()

    asyncio.run(scenario())
    ((message, facts),) = told
    assert "https" in message
    assert facts == {"from": "127.0.0.1"}
    assert caplog.records == []
