"""Signatures made by botocore, as any AWS client makes them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalice_offline.gateway.responses import Response
from chalice_offline.gateway.signatures import SignedRequest, refuse_unsigned, refuse_unverified

TARGET = "/ws/@connections/TXzPWdnOjoECGjA%3D"
RIGHT = "secret"
SECRETS = {"AKID": RIGHT}


def a_request(
    *, key: str = "AKID", secret: str = RIGHT, region: str = "us-east-1", service: str = "execute-api"
) -> SignedRequest:
    request = AWSRequest(method="POST", url=f"http://127.0.0.1:3000{TARGET}", data=b"text")
    SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return SignedRequest("POST", TARGET, {"host": "127.0.0.1:3000", **headers}, b"text")


def refusal(request: SignedRequest, *, late: timedelta = timedelta()) -> tuple[str, str] | None:
    """Return the error's name and text."""
    response = refuse_unverified(request, secrets=SECRETS, region="us-east-1", now=datetime.now(UTC) + late)
    return None if response is None else _error(response)


def _error(response: Response) -> tuple[str, str]:
    assert response.status == 403
    document: dict[str, Any] = json.loads(response.body)
    return dict(response.headers)["x-amzn-ErrorType"], document["message"]


def test_signature_with_the_right_secret_is_accepted_for_five_minutes() -> None:
    assert refusal(a_request()) is None
    assert refusal(a_request(), late=timedelta(minutes=4)) is None
    assert refusal(a_request(), late=timedelta(minutes=-4)) is None


def test_signature_older_than_five_minutes_has_expired() -> None:
    name, text = refusal(a_request(), late=timedelta(minutes=6)) or ("", "")
    assert name == "InvalidSignatureException"
    assert text.startswith("Signature expired: ")


def test_signature_of_more_than_five_minutes_ahead_is_not_yet_current() -> None:
    name, text = refusal(a_request(), late=timedelta(minutes=-6)) or ("", "")
    assert name == "InvalidSignatureException"
    assert text.startswith("Signature not yet current: ")


def test_wrong_secret_is_told_what_should_have_been_signed() -> None:
    name, text = refusal(a_request(secret="other")) or ("", "")
    assert name == "InvalidSignatureException"
    assert text.startswith("The request signature we calculated does not match the signature you provided.")
    assert "'POST\n/ws/%40connections/TXzPWdnOjoECGjA%253D\n\nhost:127.0.0.1:3000\n" in text


@pytest.mark.parametrize(
    "change",
    [{"body": b"other"}, {"target": TARGET + "?x=1"}, {"method": "DELETE"}],
    ids=["body", "query", "method"],
)
def test_request_changed_after_it_was_signed_does_not_match(change: dict[str, Any]) -> None:
    assert (refusal(replace(a_request(), **change)) or ("",))[0] == "InvalidSignatureException"


def test_unknown_access_key_is_an_unrecognized_client() -> None:
    expected = ("UnrecognizedClientException", "The security token included in the request is invalid.")
    assert refusal(a_request(key="NOBODY")) == expected


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ({"region": "eu-west-1"}, "Credential should be scoped to a valid region, not 'eu-west-1'. "),
        ({"service": "sqs"}, "Credential should be scoped to correct service: 'execute-api'. "),
    ],
)
def test_signature_for_something_else_says_what_is_wrong(scope: dict[str, str], text: str) -> None:
    assert refusal(a_request(**scope)) == ("InvalidSignatureException", text)


def test_signature_that_is_scoped_to_another_day_than_it_was_made_on_says_so() -> None:
    request = a_request()
    day = request.headers["x-amz-date"][:8]
    moved = {"authorization": request.headers["authorization"].replace(f"/{day}/", "/20200101/")}
    name, text = refusal(replace(request, headers={**request.headers, **moved})) or ("", "")
    assert name == "InvalidSignatureException"
    assert text.startswith("Date in Credential scope does not match")


@pytest.mark.parametrize("authorization", ["", "Bearer x", "Bearer x/execute-api/x"])
def test_request_without_a_signature_lacks_its_token(authorization: str) -> None:
    request = replace(a_request(), headers={"authorization": authorization})
    expected = ("MissingAuthenticationTokenException", "Missing Authentication Token")
    assert refusal(request) == expected
    assert _error(refuse_unsigned(request.headers) or Response(200)) == expected


@pytest.mark.parametrize(
    "authorization",
    [
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/execute-api/aws4_request",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/execute-api, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/r/s/aws4_request, SignedHeaders=host, Signature=é",
    ],
)
def test_half_a_signature_is_incomplete(authorization: str) -> None:
    request = a_request()
    request = replace(request, headers={**request.headers, "authorization": authorization})
    assert (refusal(request) or ("",))[0] == "IncompleteSignatureException"


def test_any_signature_for_api_gateway_passes_where_none_is_verified() -> None:
    assert refuse_unsigned(a_request(secret="other").headers) is None
    assert refuse_unsigned(a_request(service="sqs").headers) is not None
