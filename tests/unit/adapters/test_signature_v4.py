"""Our signatures are botocore's."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalicelib.adapters.signature_v4 import Signer

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
    signer = Signer(Credentials("AKID", "secret", token), "execute-api", "eu-west-1")
    ours = signer.signed(method, path, {"host": HOST, **headers}, body, moment)
    assert {name: value for name, value in ours.items() if name != "host"} == theirs


def test_key_is_made_anew_when_the_day_changes() -> None:
    signer = Signer(Credentials("AKID", "secret"), "sqs", "us-east-1")
    fresh = Signer(Credentials("AKID", "secret"), "sqs", "us-east-1")
    arguments = ("POST", "/", {"host": HOST}, b"")
    signer.signed(*arguments, datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC))
    next_day = datetime(2026, 1, 2, tzinfo=UTC)
    assert signer.signed(*arguments, next_day) == fresh.signed(*arguments, next_day)
