"""What the gateway logs of its clients, and what its refusals of a handshake look like."""

import asyncio
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
