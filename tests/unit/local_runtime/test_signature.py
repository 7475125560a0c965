"""The runtime's signatures are botocore's."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.local.event_source.signature import Signer

HEADERS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage"}


@pytest.mark.parametrize("token", [None, "a session token"])
@pytest.mark.parametrize("path", ["/", "/a b%20c"])
def test_signature_is_that_of_botocore(token: str | None, path: str) -> None:
    body = "é".encode()
    request = AWSRequest(method="POST", url=f"https://sqs.example.com{path}", data=body, headers=HEADERS)
    SigV4Auth(Credentials("AKID", "secret", token), "sqs", "eu-west-1").add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    now = datetime.strptime(theirs["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    signer = Signer(
        service="sqs", region="eu-west-1", path=path, access_key="AKID", secret_key="secret", token=token
    )
    ours = signer.signed({"host": "sqs.example.com", **HEADERS}, body, now)
    assert dict(ours) == {**theirs, "host": "sqs.example.com"}
