"""Routes with an IAM authorizer ask for a signature, if the project wants that."""

from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalice_offline.gateway import CallbackSignatures
from tests.unit.chalice_offline.gateway.fakes import FakeFunctions
from tests.unit.chalice_offline.gateway.test_rest import CREATED, ORDERS, call

GUARDED = {**ORDERS, "http_iam": {"/orders": ("POST",)}}


class Signed(httpx.Auth):
    """Signs as AWS's clients do."""

    requires_request_body = True

    def __init__(self, secret: str = "secret", service: str = "execute-api") -> None:  # noqa: S107  # a test's
        self._signer = SigV4Auth(Credentials("known", secret), service, "us-east-1")

    def auth_flow(self, request: httpx.Request) -> Any:
        asked = AWSRequest(request.method, str(request.url), data=request.content)
        self._signer.add_auth(asked)
        request.headers.update(dict(asked.headers))
        yield request


def answer(
    iam: CallbackSignatures, path: str = "/api/orders?a=1&b=x%20y", **request: Any
) -> tuple[int, FakeFunctions]:
    functions = FakeFunctions(api_handler=CREATED)
    settings = {"iam": iam, "credentials": {"known": "secret"}, "base_path": "/"}
    response = call("POST", path, functions, GUARDED, settings=settings, json={"a": 1}, **request)
    return response.status_code, functions


@pytest.mark.parametrize(
    ("iam", "auth", "status"),
    [
        (CallbackSignatures.OPEN, None, 201),
        (CallbackSignatures.SIGNED, None, 403),
        (CallbackSignatures.SIGNED, Signed("guessed"), 201),
        (CallbackSignatures.VERIFIED, None, 403),
        (CallbackSignatures.VERIFIED, Signed("guessed"), 403),
        (CallbackSignatures.VERIFIED, Signed(service="lambda"), 403),
        (CallbackSignatures.VERIFIED, Signed(), 201),
    ],
)
def test_request_is_let_in_by_the_signature_that_is_asked_for(
    iam: CallbackSignatures, auth: Signed | None, status: int
) -> None:
    given, functions = answer(iam, auth=auth)
    assert given == status
    assert bool(functions.events) == (status == 201)


def test_function_is_told_who_signed_and_a_path_without_stage_is_signed_as_it_is() -> None:
    for path in ("/api/orders", "/orders"):
        status, functions = answer(CallbackSignatures.VERIFIED, path, auth=Signed())
        assert status == 201
        identity = functions.events[0][1]["requestContext"]["identity"]
        assert (identity["accessKey"], identity["userArn"]) == ("known", "arn:aws:iam::123456789012:root")
