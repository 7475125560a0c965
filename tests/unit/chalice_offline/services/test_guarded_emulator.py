"""The managed emulator as a whole: what reaches MiniStack, and what is refused before it."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, cast

import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import RestXMLParser

from chalice_offline.services.emulator_guard import Guard
from chalice_offline.services.guarded_emulator import GuardedEmulator
from chalice_offline.variables import EMULATOR_SERVICES_VARIABLE, OPEN_APIS_VARIABLE

KEY, SECRET = "known", "secret"
LOCAL = {"host": "127.0.0.1:4566"}
QUEUES_ONLY = Guard({KEY: SECRET}, frozenset({"sqs"}))
CLOUD = Guard({KEY: SECRET}, frozenset({"sqs", "lambda", "s3", "execute-api"}), has_open_apis=True)
API = "/_aws/execute-api/abc123/ws"
CALLBACK = f"{API}/@connections/x"


def signed(
    path: str = "/",
    *,
    service: str = "sqs",
    key: str = KEY,
    secret: str = SECRET,
    body: bytes = b"{}",
    host: str = LOCAL["host"],
    in_query: int = 0,
) -> tuple[str, dict[str, str], bytes]:
    """Return path, headers and body of a POST as botocore signs it; ``in_query`` for so many seconds."""
    asked = AWSRequest("POST", f"http://{host}{path}", data=body, headers={"host": host})
    if in_query:
        S3SigV4QueryAuth(Credentials(key, secret), service, "us-east-1", expires=in_query).add_auth(asked)
        return str(asked.url).removeprefix(f"http://{host}"), {"host": host}, body
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(asked)
    return path, {name.lower(): value for name, value in asked.headers.items()}, body


def outcome(
    guard: Guard,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    method: str = "POST",
    kind: str = "http",
) -> tuple[int, bytes, list[bytes]]:
    """Return status and body of the answer, and the bodies that reached the emulator."""
    reached: list[bytes] = []
    sent: list[Any] = []

    async def emulator(_scope: Any, receive: Any, send: Any) -> None:
        reached.append((await receive()).get("body", b""))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

    parts = [{"type": "http.request", "body": body[:1], "more_body": True}]
    parts.append({"type": "http.request", "body": body[1:], "more_body": False})

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    target, _, query = path.partition("?")
    scope = {
        "type": kind,
        "method": method,
        "path": target.replace("%40", "@"),
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(GuardedEmulator(emulator, guard)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"], reached


def refused_as(guard: Guard, path: str, headers: Mapping[str, str], body: bytes = b"", **more: Any) -> str:
    status, answer, reached = outcome(guard, path, headers, body, **more)
    assert (status, reached) == (403, [])
    assert b"SECRET" not in answer
    in_xml = re.search(b"<Error><Code>(.*)</Code>", answer)
    return in_xml[1].decode() if in_xml else str(json.loads(answer)["__type"])


def test_signed_request_is_served_with_its_whole_body() -> None:
    path, headers, body = signed(body=b"abc")
    assert outcome(QUEUES_ONLY, path, headers, body) == (200, b"served", [b"abc"])


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/_ministack/health",
        "/_ministack/reset",
        "/_ministack/config",
        "/_ministack/lambda-code/x",
        "/_localstack/health",
        "/2015-03-31/functions",
        "/2015-03-31/functions/x/invocations",
        "/000000000000/orders?Action=SendMessage&MessageBody=x",
        "/iceberg/v1",
        "/oauth2/token",
        API,
        "/restapis/abc/ws/_user_request_/x",
    ],
)
def test_unsigned_request_is_refused_at_every_door(method: str, path: str) -> None:
    refused_as(QUEUES_ONLY, path, {**LOCAL, "content-type": "text/plain"}, b"{}", method=method)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"key": "test"}, "UnrecognizedClientException"),
        ({"key": "000000000000"}, "UnrecognizedClientException"),
        ({"secret": "guessed"}, "SignatureDoesNotMatch"),  # a wrong one
        ({"service": "lambda"}, "AccessDeniedException"),
        ({"service": "cloudformation"}, "AccessDeniedException"),
        ({"host": "evil.example"}, "AccessDeniedException"),
        ({"path": "/_ministack/reset"}, "AccessDeniedException"),
    ],
    ids=["test key", "account", "wrong secret", "lambda", "cloudformation", "rebound", "administration"],
)
def test_signed_request_is_refused_by_what_it_signs(asked: dict[str, Any], code: str) -> None:
    assert refused_as(QUEUES_ONLY, *signed(**asked)) == code


@pytest.mark.parametrize("header", ["origin", "sec-fetch-site"])
@pytest.mark.parametrize("value", ["null", "none", "http://127.0.0.1:4566", "same-origin", ""])
def test_browser_is_refused_though_it_signs(header: str, value: str) -> None:
    path, headers, body = signed()
    assert refused_as(QUEUES_ONLY, path, {**headers, header: value}, body) == "AccessDeniedException"
    assert refused_as(CLOUD, path, {**headers, header: value}, body) == "AccessDeniedException"


@pytest.mark.parametrize(
    "authorization",
    ["", "AWS4-HMAC-SHA256", "Basic a2V5", "Bearer x", f"AWS4-HMAC-SHA256 Credential={KEY}/1/2/sqs/x"],
)
def test_authorization_of_another_kind_is_refused(authorization: str) -> None:
    assert refused_as(QUEUES_ONLY, "/", {**LOCAL, "authorization": authorization}) == "IncompleteSignature"


SIGN_IN = {
    **LOCAL,
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth",
}
ALL = Guard({KEY: SECRET})


def test_who_signs_in_to_a_user_pool_needs_no_credentials() -> None:
    assert outcome(ALL, "/", SIGN_IN, b"{}") == (200, b"served", [b"{}"])


@pytest.mark.parametrize(
    ("guard", "path", "changed", "method"),
    [
        (QUEUES_ONLY, "/", {}, "POST"),
        (Guard({}), "/", {}, "POST"),
        (ALL, "/", {"origin": "http://127.0.0.1:4566"}, "POST"),
        (ALL, "/", {"host": "evil.example"}, "POST"),
        (ALL, "/", {"x-amz-target": "AWSCognitoIdentityProviderService.AdminCreateUser"}, "POST"),
        (ALL, "/", {"content-type": "text/plain"}, "POST"),
        (ALL, "/bucket/key", {}, "POST"),
        (ALL, "/?Action=SendMessage", {}, "POST"),
        (ALL, "/", {}, "PUT"),
        (ALL, "/", {"authorization": "AWS4-HMAC-SHA256 x"}, "POST"),
    ],
)
def test_nothing_else_of_a_user_pool_is_open(
    guard: Guard, path: str, changed: dict[str, str], method: str
) -> None:
    refused_as(guard, path, {**SIGN_IN, **changed}, b"{}", method=method)


UNSIGNED_FORM = {**LOCAL, "content-type": "multipart/form-data; boundary=x"}
IN_URL = f"/bucket/key?AWSAccessKeyId={KEY}&Signature=x&Expires=9999999999"


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/bucket", UNSIGNED_FORM), (IN_URL, LOCAL), (IN_URL.replace(KEY, "guessed"), LOCAL)],
)
def test_form_and_url_of_s3s_own_kinds_must_be_signed(path: str, headers: dict[str, str]) -> None:
    assert refused_as(ALL, path, headers, b"--x--") == "SignatureDoesNotMatch"
    assert refused_as(QUEUES_ONLY, path, headers, b"--x--") == "AccessDeniedException"
    assert refused_as(ALL, path, {**headers, "origin": "null"}, b"--x--") == "AccessDeniedException"


def test_changed_body_is_refused() -> None:
    path, headers, _ = signed(body=b"abc")
    assert refused_as(QUEUES_ONLY, path, headers, b"abd") == "SignatureDoesNotMatch"


def test_signature_in_the_query_is_good_for_as_long_as_it_says() -> None:
    path, headers, _ = signed("/bucket/key", service="s3", in_query=60)
    assert outcome(CLOUD, path, headers, b"x")[0] == 200
    assert refused_as(CLOUD, path.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), headers, b"x") == (
        "SignatureDoesNotMatch"
    )
    assert (
        refused_as(CLOUD, path.replace("X-Amz-Expires=60", "X-Amz-Expires=x"), headers, b"x")
        == "ExpiredToken"
    )


def test_clients_of_a_deployed_api_need_no_signature_and_foreign_pages_do_not_get_in() -> None:
    for kind in ("http", "websocket"):
        own = {**LOCAL, "origin": "http://127.0.0.1:4566"}
        assert outcome(CLOUD, API, LOCAL, kind=kind)[0] == 200
        assert outcome(CLOUD, API, own, kind=kind)[0] == 200
        for foreign in (
            {"origin": "null"},
            {"origin": "http://evil.example"},
            {"sec-fetch-site": "cross-site"},
        ):
            refused_as(CLOUD, API, {**LOCAL, **foreign}, kind=kind)
        refused_as(CLOUD, API, {"host": "abc123.execute-api.localhost:4566"}, kind=kind)
        refused_as(CLOUD, API, {"host": "evil.example"}, kind=kind)
        refused_as(QUEUES_ONLY, API, LOCAL, kind=kind)


@pytest.mark.parametrize("path", [CALLBACK, CALLBACK.replace("@", "%40")])
def test_callbacks_of_a_deployed_api_must_be_signed(path: str) -> None:
    assert refused_as(CLOUD, path, LOCAL) == "MissingAuthenticationToken"
    asked, headers, body = signed(CALLBACK, service="execute-api")
    assert outcome(CLOUD, asked, headers, body)[0] == 200


def test_websocket_of_another_service_is_refused_in_a_cloud_too() -> None:
    path, headers, _ = signed("/mqtt", service="iotdevicegateway")
    refused_as(CLOUD, path, headers, kind="websocket")


def test_functions_that_the_emulator_runs_sign_with_their_account_and_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert outcome(CLOUD, *signed(key="000000000000"))[0] == 200
    assert refused_as(CLOUD, *signed(key="000000000000", secret="test")) == "SignatureDoesNotMatch"
    assert refused_as(CLOUD, *signed(key="AKIAUNKNOWN")) == "UnrecognizedClientException"


def test_refusal_is_in_the_protocol_of_the_caller() -> None:
    headers = {**LOCAL, "content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = outcome(CLOUD, "/", headers, b"Action=ListUsers")[1]
    assert b"<ErrorResponse><Error>" in answer
    assert b"<Code>MissingAuthenticationToken</Code>" in answer


def error_in_xml(answer: bytes) -> Mapping[str, str]:
    """Return an error as botocore reads it."""
    said = {"status_code": 403, "headers": {}, "body": answer}
    error: Mapping[str, str] = RestXMLParser().parse(said, cast("Any", None))["Error"]
    return error


@pytest.mark.parametrize("service", ["s3", "cloudfront", "route53"])
@pytest.mark.parametrize("in_query", [0, 60])
def test_refusal_is_in_xml_for_services_that_have_no_other_errors(service: str, in_query: int) -> None:
    asked = signed("/bucket/key", service=service, key="AKIAREAL", in_query=in_query)
    error = error_in_xml(outcome(ALL, *asked)[1])
    assert error["Code"] == "UnrecognizedClientException"
    assert "aws.env" in error["Message"]


def test_refusal_of_s3s_older_signatures_is_in_xml() -> None:
    for path, headers in ((IN_URL, LOCAL), ("/bucket", UNSIGNED_FORM)):
        answer = outcome(ALL, path, headers, b"--x--")[1]
        assert error_in_xml(answer)["Code"] == "SignatureDoesNotMatch"


def test_emulator_that_was_given_no_credentials_lets_nobody_in() -> None:
    assert refused_as(Guard.from_env({OPEN_APIS_VARIABLE: "1"}), *signed(key="test", secret="test")) == (
        "UnrecognizedClientException"
    )


def test_guard_is_told_by_the_environment() -> None:
    told = {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        EMULATOR_SERVICES_VARIABLE: "sqs",
        OPEN_APIS_VARIABLE: "0",
    }
    assert Guard.from_env(told) == QUEUES_ONLY
