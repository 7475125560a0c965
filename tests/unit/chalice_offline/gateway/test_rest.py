"""REST over Chalice's own local gateway."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
from chalice.app import AuthRequest, AuthResponse, AuthRoute

from chalice_offline.gateway import GatewayLimits
from chalice_offline.gateway.settings import PoolKeys
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut, UserPoolGuard
from tests.support.plain_http import NO_TLS
from tests.unit.chalice_offline.gateway.clients import without_latency
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions, a_gateway

ORDERS: dict[str, Any] = {
    "http_function": "api_handler",
    "http_routes": {"/orders": ("GET", "POST"), "/orders/{order_id}": ("GET",), "/orders/all": ("GET",)},
    "http_cors": {"/orders": {"Access-Control-Allow-Origin": "https://example.org"}},
    "http_binary_types": ("application/octet-stream",),
}
CREATED = Returned({"statusCode": 201, "headers": {"X-A": "1"}, "multiValueHeaders": {}, "body": '{"id":1}'})


def call(
    method: str,
    path: str,
    functions: FakeFunctions,
    manifest: dict[str, Any] | None = None,
    *,
    settings: dict[str, Any] | None = None,
    **request: Any,
) -> httpx.Response:
    async def scenario() -> httpx.Response:
        limits = GatewayLimits(integration_timeout_s=5, rest_body_bytes_max=1_000)
        async with a_gateway(
            functions, manifest=manifest or ORDERS, limits=limits, **(settings or {})
        ) as gateway:
            url = f"http://127.0.0.1:{gateway.port}{path}"
            async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
                return await http.request(method, url, **request)

    return asyncio.run(scenario())


def test_response_of_the_app_is_passed_on() -> None:
    response = call("POST", "/api/orders", FakeFunctions(api_handler=CREATED), json={"amount": "1"})
    assert (response.status_code, response.headers["X-A"], response.json()) == (201, "1", {"id": 1})


def test_headers_of_both_kinds_are_merged_as_api_gateway_documents() -> None:
    answer = {"statusCode": 200, "headers": {"Set-Cookie": "a=1", "X-A": "1"}, "body": ""}
    answer["multiValueHeaders"] = {"set-cookie": ["b=2", "a=1"], "X-A": ["2"]}
    response = call("GET", "/api/orders", FakeFunctions(api_handler=Returned(answer)))
    assert sorted(response.headers.get_list("set-cookie")) == ["a=1", "b=2"]
    assert sorted(response.headers.get_list("x-a")) == ["1", "2"]


def test_event_is_a_lambda_proxy_event_that_fits_json() -> None:
    functions = FakeFunctions(api_handler=CREATED)
    call("POST", "/api/orders?a=1&a=2", functions, content=b'{"x":"\xc3\xbc"}', headers={"X-Mixed": "Yes"})
    (event,) = functions.events_of("api_handler")
    context = event["requestContext"]
    assert json.loads(json.dumps(event)) == event
    assert (event["body"], event["isBase64Encoded"]) == ('{"x":"ü"}', False)
    assert (event["httpMethod"], event["path"], event["resource"]) == ("POST", "/orders", "/orders")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["queryStringParameters"] == {"a": "2"}
    assert event["headers"]["X-Mixed"] == "Yes"
    assert (context["stage"], context["path"]) == ("api", "/api/orders")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert (len(context["requestId"]), len(context["extendedRequestId"])) == (36, 16)


@pytest.mark.parametrize(
    ("path", "captured"),
    [("/api/orders/7", {"order_id": "7"}), ("/api/orders/7/", {"order_id": "7"}), ("/api/orders/all", None)],
)
def test_path_parameters_are_captured(path: str, captured: dict[str, str] | None) -> None:
    functions = FakeFunctions(api_handler=CREATED)
    call("GET", path, functions)
    assert functions.events_of("api_handler")[0]["pathParameters"] == captured


def test_answer_carries_both_ids_of_the_request() -> None:
    functions = FakeFunctions(api_handler=CREATED)
    response = call("GET", "/api/orders", functions)
    context = functions.events_of("api_handler")[0]["requestContext"]
    told = (response.headers["x-amzn-RequestId"], response.headers["x-amz-apigw-id"])
    assert told == (context["requestId"], context["extendedRequestId"])


def test_emulator_prefix_is_not_part_of_the_path() -> None:
    functions = FakeFunctions(api_handler=CREATED)
    call("GET", "/_aws/execute-api/x/api/orders", functions)
    assert functions.events_of("api_handler")[0]["path"] == "/orders"


def test_binary_body_travels_as_base64_in_both_directions() -> None:
    answer = {"statusCode": 200, "headers": {"Content-Type": "application/octet-stream"}}
    body = base64.b64encode(b"\xff\x00").decode()
    functions = FakeFunctions(api_handler=Returned({**answer, "body": body, "isBase64Encoded": True}))
    headers = {"content-type": "application/octet-stream", "accept": "application/octet-stream;q=0.9, */*"}
    response = call("POST", "/api/orders", functions, content=b"\x00\xff", headers=headers)
    (event,) = functions.events_of("api_handler")
    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"\x00\xff").decode(), True)
    assert response.content == b"\xff\x00"


@pytest.mark.parametrize(
    ("outcome", "status", "message"),
    [
        (Raised("KeyError", "x"), 502, "Internal server error"),
        (Returned("no proxy response"), 502, "Internal server error"),
        (Returned({"statusCode": 200, "headers": {"X": "a\r\nSet-Cookie: b"}}), 502, "Internal server error"),
        (Returned({"statusCode": 200, "body": {"not": "text"}}), 502, "Internal server error"),
        (TimedOut(5), 504, "Endpoint request timed out"),
    ],
)
def test_failed_integration_is_a_5xx(outcome: Outcome, status: int, message: str) -> None:
    response = call("GET", "/api/orders", FakeFunctions(api_handler=outcome))
    assert (response.status_code, response.json()) == (status, {"message": message})


@pytest.mark.parametrize(
    ("accept", "binary_types", "is_decoded"),
    [
        ("image/png", ("image/png",), True),
        ("IMAGE/PNG ; q=0.5, text/html", ("image/png",), True),
        ("image/png", ("image/*",), True),
        ("text/html,application/xhtml+xml,image/png,*/*;q=0.8", ("image/png",), False),
        ("text/html,image/png", ("*/*",), True),
        ("*/*", ("image/png",), False),
        ("", ("image/png",), False),
        ("image/png", (), False),
    ],
)
def test_first_type_that_a_client_accepts_decides_whether_a_body_is_binary(
    accept: str, binary_types: tuple[str, ...], is_decoded: bool
) -> None:
    body = base64.b64encode(b"\xff\x00").decode()
    functions = FakeFunctions(
        api_handler=Returned({"statusCode": 200, "body": body, "isBase64Encoded": True})
    )
    manifest = {**ORDERS, "http_binary_types": binary_types}
    response = call("GET", "/api/orders", functions, manifest, headers={"Accept": accept})
    assert response.content == (b"\xff\x00" if is_decoded else body.encode())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/no"), ("OPTIONS", "/no"), ("PUT", "/orders"), ("HEAD", "/orders"), ("OPTIONS", "/orders/7")],
)
def test_route_or_method_that_the_api_does_not_have_is_403_without_asking_the_app(
    method: str, path: str
) -> None:
    functions = FakeFunctions()
    response = call(method, f"/api{path}", functions)
    assert response.status_code == 403
    assert method == "HEAD" or response.json() == {"message": "Missing Authentication Token"}
    assert response.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["x-amzn-RequestId"]
    assert functions.events == []


def test_credential_for_a_route_that_is_not_there_is_taken_for_a_broken_signature() -> None:
    response = call("GET", "/api/nosuchroute", FakeFunctions(), headers={"Authorization": 'Bearer "x"'})
    assert response.status_code == 403
    assert response.headers["x-amzn-ErrorType"] == "IncompleteSignatureException"
    assert response.json()["message"].endswith("""Authorization=Bearer "x\"""")


KEYED = {**ORDERS, "http_api_keys": {"/orders": ("GET",)}}


@pytest.mark.parametrize(
    ("keys", "headers", "status"),
    [
        ((), {}, 403),
        ((), {"x-api-key": ""}, 403),
        ((), {"x-api-key": "any"}, 201),
        (("k1", "k2"), {"x-api-key": "k2"}, 201),
        (("k1", "k2"), {"x-api-key": "k3"}, 403),
    ],
)
def test_route_with_an_api_key_takes_a_known_key_or_any_if_none_is_known(
    keys: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    functions = FakeFunctions(api_handler=CREATED)
    response = call("GET", "/api/orders", functions, KEYED, settings={"api_keys": keys}, headers=headers)
    assert response.status_code == status
    if status == 403:
        assert response.json() == {"message": "Forbidden"}
        assert response.headers["x-amzn-ErrorType"] == "ForbiddenException"
        assert functions.events == []
    else:
        assert functions.events[0][1]["requestContext"]["identity"]["apiKey"] == headers["x-api-key"]


def test_methods_of_the_same_route_without_an_api_key_need_none() -> None:
    assert call("POST", "/api/orders", FakeFunctions(api_handler=CREATED), KEYED, json={}).status_code == 201


def test_preflight_is_answered_from_the_cors_configuration() -> None:
    functions = FakeFunctions()
    response = call("OPTIONS", "/api/orders", functions)
    assert response.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert set(response.headers["Access-Control-Allow-Methods"].split(",")) == {"GET", "POST", "OPTIONS"}
    assert functions.events == []


def test_preflight_allows_the_methods_that_the_configuration_names() -> None:
    cors = {"/orders": {"Access-Control-Allow-Methods": "GET,OPTIONS", "Access-Control-Allow-Origin": "*"}}
    response = call("OPTIONS", "/api/orders", FakeFunctions(), {**ORDERS, "http_cors": cors})
    assert response.headers["Access-Control-Allow-Methods"] == "GET,OPTIONS"


def test_headers_that_are_not_ascii_do_not_break_the_gateway() -> None:
    headers = {b"authorization": b"B\xe4rer"}
    assert call("GET", "/api/nosuchroute", FakeFunctions(), headers=headers).status_code == 403


GUARDED = {**ORDERS, "http_authorizers": {"/orders": {"GET": "guard"}}}


def guard(effect: str) -> Outcome:
    statement = {"Effect": effect, "Action": ["execute-api:Invoke"], "Resource": ["*"]}
    return Returned(
        {"principalId": "me", "context": {"k": "v"}, "policyDocument": {"Statement": [statement]}}
    )


@pytest.mark.parametrize(
    ("outcome", "status"), [(guard("Allow"), 201), (guard("Deny"), 403), (Raised("KeyError", "x"), 500)]
)
def test_authorizer_of_a_route_decides(outcome: Outcome, status: int) -> None:
    functions = FakeFunctions(guard=outcome, api_handler=CREATED)
    response = call("GET", "/api/orders", functions, GUARDED, headers={"Authorization": "x"})
    assert response.status_code == status


def test_authorizers_context_reaches_the_app_and_a_missing_token_is_401() -> None:
    functions = FakeFunctions(guard=guard("Allow"), api_handler=CREATED)
    call("GET", "/api/orders", functions, GUARDED, headers={"Authorization": "x"})
    (event,) = functions.events_of("api_handler")
    assert without_latency(event) == {"k": "v", "principalId": "me"}
    assert call("GET", "/api/orders", functions, GUARDED).status_code == 401


def ruled(*statements: dict[str, Any], **changes: Any) -> Outcome:
    return Returned({"principalId": "me", "policyDocument": {"Statement": list(statements)}, **changes})


ALLOW_ALL = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
THIS = "arn:aws:execute-api:us-east-1:123456789012:local00000/api/GET/orders"
IMPLICIT = {"Message": "User is not authorized to access this resource"}
EXPLICIT = {"Message": "User is not authorized to access this resource with an explicit deny"}
FAILED = {"message": None}


@pytest.mark.parametrize(
    ("outcome", "status", "body", "kind"),
    [
        (ruled(ALLOW_ALL, {**ALLOW_ALL, "Effect": "Deny", "Resource": THIS}), 403, EXPLICIT, "AccessDenied"),
        (ruled({**ALLOW_ALL, "Resource": THIS.replace("GET", "POST")}), 403, IMPLICIT, "AccessDenied"),
        (Raised("Exception", "Unauthorized"), 401, {"message": "Unauthorized"}, "Unauthorized"),
        (Raised("Exception", "unauthorized"), 500, FAILED, "AuthorizerConfiguration"),
        (TimedOut(29), 500, FAILED, "AuthorizerConfiguration"),
        (Returned(None), 500, FAILED, "AuthorizerConfiguration"),
        (ruled({"Effect": "Allow"}), 500, FAILED, "AuthorizerConfiguration"),
        (ruled(ALLOW_ALL, context={"x": [1]}), 500, FAILED, "AuthorizerConfiguration"),
        (ruled(ALLOW_ALL, context={"x": "y" * 9_000}), 500, FAILED, "AuthorizerConfiguration"),
    ],
)
def test_refusal_looks_as_api_gateways(outcome: Outcome, status: int, body: Any, kind: str) -> None:
    functions = FakeFunctions(guard=outcome, api_handler=CREATED)
    response = call("GET", "/api/orders", functions, GUARDED, headers={"Authorization": "x"})
    assert (response.status_code, response.json()) == (status, body)
    assert response.headers["x-amzn-ErrorType"] == f"{kind}Exception"
    assert not functions.events_of("api_handler")


def test_authorizer_gets_the_token_and_the_arn_and_its_context_becomes_text() -> None:
    answer = ruled({**ALLOW_ALL, "Resource": THIS}, context={"n": 7, "f": 1.5, "is": True, "t": "x"})
    functions = FakeFunctions(guard=answer, api_handler=CREATED)
    headers = {"Authorization": "Bearer x"}
    assert call("GET", "/api/orders?a=1", functions, GUARDED, headers=headers).status_code == 201
    (asked,) = functions.events_of("guard")
    assert asked == {"type": "TOKEN", "methodArn": THIS, "authorizationToken": "Bearer x"}
    (event,) = functions.events_of("api_handler")
    said = {"principalId": "me", "n": "7", "f": "1.5", "is": "true", "t": "x"}
    assert without_latency(event) == said


def test_token_in_a_header_of_the_authorizers_choice_is_found_and_an_empty_one_is_401() -> None:
    manifest = {**GUARDED, "http_authorizer_headers": {"guard": "X-Token"}}
    functions = FakeFunctions(guard=ruled(ALLOW_ALL), api_handler=CREATED)
    for headers, status in (({"X-Token": "a"}, 201), ({"X-Token": ""}, 401), ({"Authorization": "a"}, 401)):
        assert call("GET", "/api/orders", functions, manifest, headers=headers).status_code == status
    assert len(functions.events_of("guard")) == 1


POOLED = {**ORDERS, "http_user_pools": {"/orders": {"GET": UserPoolGuard("X-Token", ("eu_1",))}}}
TOKEN = "e30." + base64.urlsafe_b64encode(b'{"sub":"7"}').decode() + ".c2ln"


def test_token_of_a_user_pool_is_read_for_the_app_and_what_is_none_is_401() -> None:
    functions = FakeFunctions(api_handler=CREATED)
    assert call("GET", "/api/orders", functions, POOLED, headers={"X-Token": TOKEN}).status_code == 201
    assert call("GET", "/api/orders", functions, POOLED, headers={"X-Token": "x"}).status_code == 401
    (event,) = functions.events_of("api_handler")
    assert event["requestContext"]["authorizer"] == {"claims": {"sub": "7"}}


def test_request_without_a_user_pools_token_is_let_in_unknown() -> None:
    functions = FakeFunctions(api_handler=CREATED)
    assert call("GET", "/api/orders", functions, POOLED).status_code == 201
    assert (
        call("POST", "/api/orders", functions, POOLED, headers={"X-Token": "x"}, json={}).status_code == 201
    )
    assert not any("authorizer" in each["requestContext"] for each in functions.events_of("api_handler"))


def test_route_of_a_user_pool_that_is_there_asks_for_a_token_of_it() -> None:
    async def find_pool(pool_id: str) -> PoolKeys | None:
        return {} if pool_id == "eu_1" else None

    def answer(claims: Any) -> tuple[int, Any]:
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        headers = {"X-Token": f"e30.{payload}.c2ln"} if claims else {}
        functions = FakeFunctions(api_handler=CREATED)
        settings = {"find_pool": find_pool}
        response = call("GET", "/api/orders", functions, POOLED, settings=settings, headers=headers)
        return response.status_code, response.json()

    good = {"iss": "https://cognito/eu_1", "token_use": "id", "exp": 32_000_000_000}
    assert answer(good) == (201, {"id": 1})
    assert answer({}) == (401, {"message": "Unauthorized"})
    assert answer({**good, "iss": "https://cognito/eu_2"}) == (401, {"message": "Unauthorized"})
    assert answer({**good, "exp": 1}) == (401, {"message": "The incoming token has expired"})


def test_methods_without_an_authorizer_and_pre_flights_ask_none() -> None:
    functions = FakeFunctions(api_handler=CREATED)
    assert call("POST", "/api/orders", functions, GUARDED, json={}).status_code == 201
    assert call("OPTIONS", "/api/orders", functions, GUARDED).status_code == 200
    assert not functions.events_of("guard")


@pytest.mark.parametrize(
    ("routes", "status"),
    [
        (["*"], 201),
        (["/orders"], 201),
        ([AuthRoute("/orders", ["POST"])], 403),
        (["/orders/*"], 403),
        ([], 403),
    ],
)
def test_answers_of_chalices_authorizers_are_understood(routes: list[Any], status: int) -> None:
    request = AuthRequest("TOKEN", "x", THIS)
    answer = Returned(AuthResponse(routes, principal_id="me").to_dict(request))
    functions = FakeFunctions(guard=answer, api_handler=CREATED)
    assert (
        call("GET", "/api/orders", functions, GUARDED, headers={"Authorization": "x"}).status_code == status
    )


@pytest.mark.parametrize(
    ("base_path", "path", "seen"),
    [
        ("/", "/orders/7?a=1", "/orders/7"),
        ("/v1", "/v1/orders/7", "/v1/orders/7"),
        ("/v1/", "/v1/orders/7", "/v1/orders/7"),
    ],
)
def test_api_is_at_its_base_path_as_behind_a_custom_domain(base_path: str, path: str, seen: str) -> None:
    functions = FakeFunctions(api_handler=CREATED)
    assert call("GET", path, functions, settings={"base_path": base_path}).status_code == 201
    assert call("GET", "/api/orders/7", functions, settings={"base_path": base_path}).status_code == 201
    by_domain, by_stage = functions.events_of("api_handler")
    assert (by_domain["resource"], by_domain["pathParameters"]) == ("/orders/{order_id}", {"order_id": "7"})
    assert (by_domain["path"], by_domain["requestContext"]["path"]) == (seen, seen)
    assert (by_stage["path"], by_stage["requestContext"]["path"]) == ("/orders/7", "/api/orders/7")


def test_path_of_no_api_is_403_and_a_hint_is_given_once() -> None:
    told: list[str] = []
    settings = {"warn": lambda message, facts: told.append(f"{message} {facts}")}
    response = call("GET", "/orders", FakeFunctions(), settings=settings)
    assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})
    assert ["gateway.base_path" in line and "/api" in line for line in told] == [True]
    assert call("GET", "/ping", FakeFunctions(), settings={"base_path": "/"}).text == "healthy"
