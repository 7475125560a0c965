"""The event of a REST request, beside what AWS was recorded to hand over."""

import base64
from typing import Any

import pytest

from chalice_offline.gateway.events import ApiIdentity
from chalice_offline.gateway.resources import Match
from chalice_offline.gateway.rest_events import Request, proxy_event

API = ApiIdentity("abc", "123456789012", "eu-west-1", "api", "abc.execute-api.eu-west-1.amazonaws.com")


def event_of(
    target: str = "/orders",
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    parameters: dict[str, str] | None = None,
    binary_types: tuple[str, ...] = ("image/png",),
    stage_variables: dict[str, str] | None = None,
) -> dict[str, Any]:
    request = Request("POST", target, headers, body, "192.0.2.1", "7d4f0000-uuid", "ext", 1_700_000_000_000)
    return proxy_event(
        API,
        request,
        Match("/orders", parameters or {}),
        binary_types=binary_types,
        stage_variables=stage_variables or {},
    )


def test_event_has_the_fields_that_aws_was_recorded_to_send() -> None:
    event = event_of()
    assert set(event) == {
        "body",
        "headers",
        "httpMethod",
        "isBase64Encoded",
        "multiValueHeaders",
        "multiValueQueryStringParameters",
        "path",
        "pathParameters",
        "queryStringParameters",
        "requestContext",
        "resource",
        "stageVariables",
    }
    assert event["requestContext"] == {
        "accountId": "123456789012",
        "apiId": "abc",
        "deploymentId": event["requestContext"]["deploymentId"],
        "domainName": API.domain_name,
        "domainPrefix": "abc",
        "extendedRequestId": "ext",
        "httpMethod": "POST",
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": "192.0.2.1",
            "user": None,
            "userAgent": None,
            "userArn": None,
        },
        "path": "/api/orders",
        "protocol": "HTTP/1.1",
        "requestId": "7d4f0000-uuid",
        "requestTime": "14/Nov/2023:22:13:20 +0000",
        "requestTimeEpoch": 1_700_000_000_000,
        "resourceId": event["requestContext"]["resourceId"],
        "resourcePath": "/orders",
        "stage": "api",
    }


@pytest.mark.parametrize(
    "name",
    [
        "body",
        "pathParameters",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "stageVariables",
    ],
)
def test_what_there_is_none_of_is_null(name: str) -> None:
    assert event_of()[name] is None


def test_stage_variables_and_path_parameters_are_handed_over() -> None:
    event = event_of(parameters={"id": "a%2Fb"}, stage_variables={"table": "dev"})
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "a%2Fb"}, {"table": "dev"})


def test_header_names_are_the_clients_but_for_authorization_and_user_agent() -> None:
    sent = (("tEsT-HEADeR", "aValUE"), ("aUThorization", "Bearer x"), ("Accept", "a"), ("Accept", "b"))
    event = event_of(headers=(*sent, ("user-agent", "me")))
    own = {"Authorization": "Bearer x", "User-Agent": "me"}
    assert event["headers"] == {"tEsT-HEADeR": "aValUE", "Accept": "b", **own}
    assert event["multiValueHeaders"]["Accept"] == ["a", "b"]


def test_headers_about_the_connection_are_left_out() -> None:
    about = (("Connection", "keep-alive"), ("Content-Length", "1"), ("Content-MD5", "x"), ("Server", "me"))
    assert event_of(headers=about, body=b"x")["headers"] == {}


def test_query_is_decoded_and_of_several_values_the_last_stands_alone() -> None:
    event = event_of("/orders?plus=a+b%2B&n=1&n=2&empty=")
    assert event["queryStringParameters"] == {"plus": "a b+", "n": "2", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"plus": ["a b+"], "n": ["1", "2"], "empty": [""]}


def test_semicolon_in_a_query_splits_it() -> None:
    """api-gateway-known-issues.html: it "results in the data being split"."""
    assert event_of("/orders?q=abcd;20&r=%3B")["queryStringParameters"] == {"q": "abcd", "20": "", "r": ";"}


def test_slashes_in_front_of_a_path_are_one_but_in_the_context() -> None:
    event = event_of("//orders?a=//b")
    assert (event["path"], event["requestContext"]["path"]) == ("/orders", "/api//orders")
    assert event["queryStringParameters"] == {"a": "//b"}


@pytest.mark.parametrize(
    ("content_type", "binary_types", "is_binary"),
    [
        ("multipart/form-data; boundary=x", ("multipart/form-data",), True),
        ("IMAGE/PNG", ("image/png",), True),
        ("image/gif", ("image/*",), True),
        ("text/plain", ("*/*",), True),
        (None, ("*/*",), True),
        ("multipart/form-data; boundary=x", ("image/png",), False),
        ("text/plain", (), False),
    ],
)
def test_body_of_a_binary_type_is_base64(
    content_type: str | None, binary_types: tuple[str, ...], is_binary: bool
) -> None:
    headers = () if content_type is None else (("Content-Type", content_type),)
    event = event_of(headers=headers, body=b"\x89PNG", binary_types=binary_types)
    assert event["isBase64Encoded"] is is_binary
    assert event["body"] == (base64.b64encode(b"\x89PNG").decode() if is_binary else "\ufffdPNG")


def test_request_waits_its_turn_with_those_of_its_credential_or_its_address() -> None:
    def key(*headers: tuple[str, str], source_ip: str = "192.0.2.1") -> str:
        return Request("GET", "/", headers, b"", source_ip, "id", "ext", 0).caller.key

    ann, ben = ("Authorization", "ann"), ("authorization", "ben")
    assert key(ann) == key(ann, source_ip="192.0.2.9")
    assert (
        len({key(), key(source_ip="192.0.2.9"), key(ann), key(ben), key(("Authorization", "192.0.2.1"))}) == 5
    )


def test_request_whose_client_has_left_waits_no_more() -> None:
    for waits in (True, False):
        request = Request("GET", "/", (), b"", "192.0.2.1", "id", "ext", 0, still_waits=lambda: waits)  # noqa: B023
        assert request.caller.still_waits() is waits
    assert Request("GET", "/", (), b"", "192.0.2.1", "id", "ext", 0).caller.still_waits()


def test_resource_and_deployment_have_ids_of_six_characters_that_stay_the_same() -> None:
    first, second = (event_of()["requestContext"] for _ in range(2))
    for name in ("resourceId", "deploymentId"):
        assert len(first[name]) == 6
        assert first[name] == second[name]
