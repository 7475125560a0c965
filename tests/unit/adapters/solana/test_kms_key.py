"""Against a stand-in for KMS that holds to the service's own description (botocore's model)."""

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.solana.kms_key import ALGORITHM, KEY_SPEC, KmsKey
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.signing import verifies
from chalicelib.domain.errors import RetryableError

MODEL: Any = botocore.session.get_session().get_service_model("kms")
HELD = SeedKey(b"k" * 32)
SPKI = HELD._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class FakeKms:
    def __init__(self, **changes: Any) -> None:
        self.changes, self.failing = changes, False
        self.calls: list[str] = []

    def _take(self, operation: str, asked: dict[str, Any]) -> None:
        self.calls.append(operation)
        validate_parameters(asked, MODEL.operation_model(operation).input_shape)
        if self.failing:
            raise ClientError({"Error": {"Code": "KMSInternalException"}}, operation)

    def get_public_key(self, **asked: Any) -> Any:
        self._take("GetPublicKey", asked)
        return {"PublicKey": SPKI, "KeyUsage": "SIGN_VERIFY", "KeySpec": KEY_SPEC} | self.changes

    def sign(self, **asked: Any) -> Any:
        self._take("Sign", asked)
        assert (asked["MessageType"], asked["SigningAlgorithm"]) == ("RAW", ALGORITHM)
        return {"Signature": HELD.sign(asked["Message"])} | self.changes


def test_key_spec_and_algorithm_are_the_services_own() -> None:
    assert ALGORITHM in MODEL.shape_for("SigningAlgorithmSpec").enum
    assert KEY_SPEC in MODEL.shape_for("KeySpec").enum


def test_signature_of_kms_is_the_transactions_and_its_key_is_asked_for_once() -> None:
    kms = FakeKms()
    key = KmsKey(kms, "alias/desk")
    assert key.key == HELD.key
    assert verifies(key.key, b"message", key.sign(b"message"))
    assert kms.calls == ["GetPublicKey", "Sign"]


def test_kms_that_does_not_answer_is_asked_again_later() -> None:
    kms = FakeKms()
    kms.failing = True
    key = KmsKey(kms, "alias/desk")
    with pytest.raises(RetryableError):
        _ = key.key
    with pytest.raises(RetryableError):
        key.sign(b"message")
    kms.failing = False
    assert key.key == HELD.key


@pytest.mark.parametrize(
    "changes",
    [
        {"KeyUsage": "ENCRYPT_DECRYPT"},
        {"PublicKey": SPKI[:-1]},
        {"PublicKey": b"\x30\x59" + SPKI[2:]},
        {"PublicKey": b""},
    ],
)
def test_key_of_another_kind_is_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no signing key"):
        _ = KmsKey(FakeKms(**changes), "alias/desk").key


def test_message_or_signature_of_a_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a signature of 70 bytes"):
        KmsKey(FakeKms(Signature=b"x" * 70), "alias/desk").sign(b"message")
    for message in (b"", b"x" * 4097):
        with pytest.raises(ValueError, match="1 to 4096 bytes"):
            KmsKey(FakeKms(), "alias/desk").sign(message)
