"""A key that AWS KMS holds and never gives away: key spec ``ECC_NIST_EDWARDS25519``, usage ``SIGN_VERIFY``.

KMS signs the message itself (``ED25519_SHA_512`` with ``RAW``, up to 4,096 bytes): what it returns is the
transaction's signature. The other algorithm of such keys hashes first, and no Solana node would accept it.
KMS does not look into what it signs; ``message_guard`` does.

https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
"""

import base64
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from chalicelib.adapters.aws.endpoint import Endpoint
from chalicelib.adapters.aws.json_service import CallRefusedError, JsonService, ServiceSilentError
from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.time_left import TimeLeft, time_left
from chalicelib.domain.errors import KeyUnusableError, RetryableError
from chalicelib.logs import logger

MESSAGE_BYTES_MAX: Final = 4096
ALGORITHM: Final = "ED25519_SHA_512"
KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
TIME_LIMIT_S: Final = 2.0
"""For one answer, all tries together, of six that the consumer has."""

LAST_S: Final = 1.0
"""Of an invocation, kept for the record and the queue, as beside the nodes."""

_SIGNATURE_BYTES: Final = 64
# SubjectPublicKeyInfo of Ed25519 (RFC 8410): always these twelve bytes, then the key.
_SPKI_HEAD: Final = bytes.fromhex("302a300506032b6570032100")


class KmsKey:
    """One key of KMS; its public key is asked for once. Safe to share between threads."""

    def __init__(
        self,
        endpoint: Callable[[], Endpoint],
        key_id: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        time_left: TimeLeft = time_left,
    ) -> None:
        def limited(seconds: float) -> float:
            return time_left.for_work(seconds + LAST_S) - LAST_S

        self._kms = JsonService(
            endpoint, "TrentService", time_limit_s=TIME_LIMIT_S, limited=limited, sleep=sleep
        )
        self._key_id = key_id
        self._lock = Lock()
        self._key: Pubkey | None = None

    @property
    def key(self) -> Pubkey:
        """The address.

        Raises:
            KeyUnusableError: KMS refuses, or the key is of another kind.
            RetryableError: KMS does not answer.
        """
        with self._lock:
            if self._key is None:
                self._key = self._public_key()
            return self._key

    def sign(self, message: bytes) -> bytes:
        """Return the signature, which is the key's.

        Raises:
            KeyUnusableError: KMS refuses, or signs with another key.
            RetryableError: KMS does not answer.
            ValueError: The message is too long.
        """
        if not 0 < len(message) <= MESSAGE_BYTES_MAX:
            raise ValueError(f"KMS signs 1 to {MESSAGE_BYTES_MAX} bytes, not {len(message)}")
        key = self.key
        asked = {"Message": base64.b64encode(message).decode(), "MessageType": "RAW"}
        answer = self._asked("Sign", {**asked, "SigningAlgorithm": ALGORITHM})
        signature = _bytes_in(answer, "Signature")
        if len(signature) != _SIGNATURE_BYTES or not verifies(key, message, signature):
            # As when an alias was pointed at another key: its address is asked for anew.
            with self._lock:
                self._key = None
            raise self._unusable("Sign", "the signature is not one of this key")
        return signature

    def _public_key(self) -> Pubkey:
        answer = self._asked("GetPublicKey", {})
        raw = _bytes_in(answer, "PublicKey")
        is_right = answer.get("KeyUsage") == "SIGN_VERIFY" and raw.startswith(_SPKI_HEAD)
        if not is_right or len(raw) != len(_SPKI_HEAD) + KEY_BYTES:
            raise self._unusable("GetPublicKey", f"no signing key of {KEY_SPEC}")
        return Pubkey(raw[len(_SPKI_HEAD) :])

    def _asked(self, operation: str, request: dict[str, str]) -> dict[str, Any]:
        """Return the members of an answer; the same is always signed alike, and so may be asked for twice.

        Raises:
            KeyUnusableError, RetryableError: As ``sign``.
        """
        try:
            return self._kms.answer(operation, {"KeyId": self._key_id, **request})
        except CallRefusedError as error:
            raise self._unusable(operation, str(error)) from None
        except ServiceSilentError as error:
            reason = str(error)
            logger.warning("KMS does not answer", operation=operation, key_id=self._key_id, reason=reason)
            raise RetryableError("the key's holder does not answer") from None

    def _unusable(self, operation: str, problem: str) -> KeyUnusableError:
        """Return the fault; tell operators of it, since it does not pass by itself."""
        logger.error("key of KMS not usable", operation=operation, key_id=self._key_id, reason=problem)
        return KeyUnusableError("the wallet's key cannot be used now")


def _bytes_in(answer: dict[str, Any], name: str) -> bytes:
    """Return bytes that an answer holds, none if it holds something else."""
    try:
        return base64.b64decode(answer.get(name) or "", validate=True)
    except (ValueError, TypeError):
        return b""
