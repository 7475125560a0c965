"""Against a stand-in for KMS that holds to the service's own description (botocore's model)."""

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.validate import validate_parameters
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.aws.endpoint import AwsEndpoint, EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.solana.kms_key import ALGORITHM, KEY_SPEC, LAST_S, KmsKey
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.time_left import MARGIN_S, TimeLeft
from chalicelib.domain.errors import KeyUnusableError, RetryableError
from chalicelib.logs import SERVICE
from tests.fakes.http_server import scripted_server

MODEL: Any = botocore.session.get_session().get_service_model("kms")
HELD = SeedKey(b"k" * 32)
OTHER = SeedKey(b"o" * 32)


def shown(key: SeedKey) -> bytes:
    """Return a public key as KMS shows it."""
    return key._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


SPKI = shown(HELD)


class FakeKms:
    """An ``Endpoint``.

    Attributes:
        held: The key that it signs with, and shows.
        failing: What it says in the place of answers, one after the other.
    """

    def __init__(self, **changes: Any) -> None:
        self.changes, self.held = changes, HELD
        self.failing: list[EndpointAnswer | type[Exception]] = []
        self.calls: list[str] = []

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> EndpointAnswer:
        assert (method, path) == ("POST", "/")
        assert time_limit_s > 0
        assert headers["content-type"] == f"application/x-amz-json-{MODEL.metadata['jsonVersion']}"
        prefix, _, operation = headers["x-amz-target"].partition(".")
        assert prefix == MODEL.metadata["targetPrefix"]
        self.calls.append(operation)
        asked = json.loads(body)
        if "Message" in asked:
            asked["Message"] = base64.b64decode(asked["Message"])
        validate_parameters(asked, MODEL.operation_model(operation).input_shape)
        if self.failing:
            said = self.failing.pop(0)
            if isinstance(said, EndpointAnswer):
                return said
            raise said
        answer: dict[str, Any] = {"PublicKey": shown(self.held), "KeyUsage": "SIGN_VERIFY"}
        if operation == "Sign":
            assert (asked["MessageType"], asked["SigningAlgorithm"]) == ("RAW", ALGORITHM)
            answer = {"Signature": self.held.sign(asked["Message"])}
        changed = {**answer, **{name: self.changes[name] for name in self.changes.keys() & answer.keys()}}
        return EndpointAnswer(200, json.dumps(changed, default=b64).encode())


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def key_of(kms: FakeKms) -> KmsKey:
    return KmsKey(lambda: kms, "alias/desk", sleep=lambda _: None)


def refused(status: int, code: str) -> EndpointAnswer:
    return EndpointAnswer(status, json.dumps({"__type": code, "message": "secret"}).encode())


def test_key_spec_and_algorithm_are_the_services_own() -> None:
    assert ALGORITHM in MODEL.shape_for("SigningAlgorithmSpec").enum
    assert KEY_SPEC in MODEL.shape_for("KeySpec").enum


def test_signature_of_kms_is_the_transactions_and_its_key_is_asked_for_once() -> None:
    kms = FakeKms()
    key = key_of(kms)
    assert key.key == HELD.key
    assert verifies(key.key, b"message", key.sign(b"message"))
    assert kms.calls == ["GetPublicKey", "Sign"]


@pytest.mark.parametrize(
    "fault",
    [
        *(NotSentError, NoAnswerError, EndpointAnswer(502, b"<html>"), refused(500, "KMSInternalException")),
        *(refused(400, "ThrottlingException"), refused(500, "DependencyTimeoutException")),
    ],
)
def test_fault_of_kms_that_passes_is_tried_again_and_outlasting_that_is_no_ones_key(
    fault: EndpointAnswer | type[Exception],
) -> None:
    kms = FakeKms()
    key = key_of(kms)
    kms.failing = [fault] * 2
    assert key.key == HELD.key
    kms.failing = [fault] * 9
    with pytest.raises(RetryableError) as caught:
        key.sign(b"message")
    assert not isinstance(caught.value, KeyUnusableError)
    kms.failing = []
    assert verifies(HELD.key, b"message", key.sign(b"message"))


@pytest.mark.parametrize("code", ["AccessDeniedException", "DisabledException", "com.amazonaws.kms#NotFound"])
def test_refusal_is_the_keys_alone_and_told_once(code: str, caplog: pytest.LogCaptureFixture) -> None:
    kms = FakeKms()
    kms.failing = [refused(400, code)]
    with caplog.at_level(logging.INFO, SERVICE), pytest.raises(KeyUnusableError):
        key_of(kms).sign(b"message")
    assert kms.calls == ["GetPublicKey"]
    (line,) = caplog.records
    said = line.__dict__
    assert (line.levelname, line.message) == ("ERROR", "key of KMS not usable")
    assert (said["key_id"], said["reason"]) == ("alias/desk", f"400 {code.rpartition('#')[2]}")


@pytest.mark.parametrize(
    "changes",
    [
        {"KeyUsage": "ENCRYPT_DECRYPT"},
        {"PublicKey": SPKI[:-1]},
        {"PublicKey": b"\x30\x59" + SPKI[2:]},
        {"PublicKey": b""},
        {"PublicKey": None},
        {"PublicKey": 5},
        {"PublicKey": "é"},
        {"PublicKey": {}},
    ],
)
def test_key_of_another_kind_is_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(KeyUnusableError):
        _ = key_of(FakeKms(**changes)).key


@pytest.mark.parametrize(
    "signature",
    [b"x" * 64, b"x" * 70, OTHER.sign(b"message"), HELD.sign(b"another"), b"", None, 5, "ä", ["x"]],
)
def test_what_is_no_signature_of_the_key_is_not_taken(signature: Any) -> None:
    with pytest.raises(KeyUnusableError):
        key_of(FakeKms(Signature=signature)).sign(b"message")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"5", b"[" * 100_000, b'{"__type":"Denied"}']
)
def test_success_that_says_something_else_is_none(body: bytes) -> None:
    kms = FakeKms()
    key = key_of(kms)
    kms.failing = [EndpointAnswer(200, body)]
    with pytest.raises(KeyUnusableError):
        _ = key.key
    assert key.key == HELD.key
    kms.failing = [EndpointAnswer(200, body)]
    with pytest.raises(KeyUnusableError):
        key.sign(b"message")


def test_alias_that_was_pointed_at_another_key_signs_with_that_from_the_next_time_on() -> None:
    kms = FakeKms()
    key = key_of(kms)
    assert key.key == HELD.key
    kms.held = OTHER
    with pytest.raises(KeyUnusableError):
        key.sign(b"message")
    assert key.key == OTHER.key
    assert verifies(OTHER.key, b"message", key.sign(b"message"))


@pytest.mark.parametrize("message", [b"", b"x" * 4097])
def test_message_of_a_wrong_length_is_a_defect(message: bytes) -> None:
    with pytest.raises(ValueError, match="1 to 4096 bytes"):
        key_of(FakeKms()).sign(message)


def test_kms_is_not_asked_in_the_time_that_the_record_needs() -> None:
    left, kms = TimeLeft(), FakeKms()
    with left.of_invocation(LAST_S + MARGIN_S), pytest.raises(RetryableError):
        KmsKey(lambda: kms, "alias/desk", time_left=left).sign(b"message")
    assert kms.calls == []


@pytest.mark.parametrize(
    "said", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 50_000]
)
def test_kms_that_never_ends_its_answer_is_not_waited_for(said: bytes | None) -> None:
    left = TimeLeft()
    with scripted_server(said, b"") as server, left.of_invocation(LAST_S + MARGIN_S + 0.2):
        url, credentials = server.address.geturl(), Credentials("a", "b")
        endpoint = AwsEndpoint(url, service="kms", region="us-east-1", credentials=credentials)
        with pytest.raises(RetryableError):
            KmsKey(lambda: endpoint, "alias/desk", time_left=left).sign(b"message")
