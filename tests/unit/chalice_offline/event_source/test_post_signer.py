"""The signer against botocore's."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from chalice_offline.event_source.post_signer import PostSigner

DAY_S = 86_400
FIELDS = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage"}


def botocores(path: str, body: bytes, now: float) -> str:
    request = AWSRequest(
        "POST",
        f"http://127.0.0.1:4566{path}",
        headers={**FIELDS, "host": "127.0.0.1:4566"},
        data=body,
    )
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = request.headers["x-amz-date"] = moment
    signer = SigV4Auth(Credentials("key", "secret"), "sqs", "eu-west-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return str(signer.signature(text, request))


@pytest.mark.parametrize("path", ["/", "/a%20path/"])
def test_signature_is_botocores_on_each_day(path: str) -> None:
    signer = PostSigner("127.0.0.1:4566", path, region="eu-west-1", access_key="key", secret_key="secret")
    for now in (1_700_000_000.5, 1_700_000_001.0, 1_700_000_000.0 + DAY_S):
        headers = dict(signer.headers(FIELDS, b"{}", now=now))
        assert headers["authorization"].endswith(f"Signature={botocores(path, b'{}', now)}")
