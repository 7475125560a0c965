"""Our signatures are botocore's."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalicelib.adapters.aws.sigv4 import RequestSigner

HOST = "api.example.com"


def botocore_headers(
    method: str, path: str, body: bytes, headers: dict[str, str], token: str | None
) -> dict[str, str]:
    request = AWSRequest(method=method, url=f"https://{HOST}{path}", data=body, headers=headers)
    SigV4Auth(Credentials("AKID", "secret", token), "execute-api", "eu-west-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize("token", [None, "a session token"])
@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/ws/@connections/abc%3D", b'{"a":1}', {}),
        ("DELETE", "/ws/@connections/a-b_c%3D", b"", {}),
        ("POST", "/", "é".encode(), {"content-type": "application/x-amz-json-1.0", "x-amz-target": "S.Op"}),
    ],
)
def test_signature_is_that_of_botocore(
    method: str, path: str, body: bytes, headers: dict[str, str], token: str | None
) -> None:
    theirs = botocore_headers(method, path, body, headers, token)
    moment = datetime.strptime(theirs["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = RequestSigner(Credentials("AKID", "secret", token), "execute-api", "eu-west-1")
    ours = signer.request(method, path, (("host", HOST), *headers.items()), body, moment)
    assert headers_of(ours) == {**theirs, "host": HOST, "content-length": f"{len(body)}"}


def test_request_is_sent_with_its_length_and_body() -> None:
    request = a_request(a_signer(), "abc", datetime(2026, 1, 1, tzinfo=UTC))
    assert request.startswith(b"POST /a%20b HTTP/1.1\r\nhost: api.example.com\r\n")
    assert request.endswith(b"\r\ncontent-length: 3\r\n\r\nabc")


@pytest.mark.parametrize(
    "later", [datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC)]
)
def test_signature_is_of_its_own_moment_whatever_was_signed_before(later: datetime) -> None:
    signer = a_signer()
    a_request(signer, "", datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC))
    assert a_request(signer, "", later) == a_request(a_signer(), "", later)


def test_signature_is_made_with_the_credentials_of_now() -> None:
    credentials, now = Credentials("AKID", "secret", "first"), datetime(2026, 1, 1, tzinfo=UTC)
    signer = a_signer(credentials)
    a_request(signer, "", now)
    credentials.secret_key, credentials.token = "other", "second"
    assert a_request(signer, "", now) == a_request(a_signer(credentials), "", now)
    assert headers_of(a_request(signer, "", now))["x-amz-security-token"] == "second"


def a_signer(credentials: Credentials | None = None) -> RequestSigner:
    return RequestSigner(credentials or Credentials("AKID", "secret"), "sqs", "us-east-1")


def a_request(signer: RequestSigner, body: str, now: datetime) -> bytes:
    return signer.request("POST", "/a%20b", (("host", HOST),), body.encode(), now)


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def test_requests_that_differ_in_their_bodies_are_each_signed_as_one_by_itself() -> None:
    signer, now = a_signer(), datetime(2026, 1, 1, tzinfo=UTC)
    together = signer.requests("POST", "/", (("host", HOST),), [b"one", b"", b"three"], now)
    assert together == [
        signer.request("POST", "/", (("host", HOST),), body, now) for body in (b"one", b"", b"three")
    ]
