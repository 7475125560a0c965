"""A key that AWS KMS holds and never gives away: key spec ``ECC_NIST_EDWARDS25519``, usage ``SIGN_VERIFY``.

KMS signs the message itself (``ED25519_SHA_512`` with ``RAW``, up to 4,096 bytes): what it returns is the
transaction's signature. The other algorithm of such keys hashes first, and no Solana node would accept it.
KMS does not look into what it signs; ``message_guard`` does.

It is asked as SQS is, by requests of our own: botocore would wait for a silent KMS for five minutes, ask a
throttled one for ten seconds, and a slow one without end, where the consumer has six in all.

https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
"""

import base64
import json
import re
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from chalicelib.adapters.aws.endpoint import Endpoint, EndpointAnswer
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey
from chalicelib.adapters.solana.signing import verifies
from chalicelib.adapters.time_left import TimeLeft, time_left
from chalicelib.domain.errors import KeyUnusableError, RetryableError
from chalicelib.logs import logger

MESSAGE_BYTES_MAX: Final = 4096
ALGORITHM: Final = "ED25519_SHA_512"
KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
TIME_LIMIT_S: Final = 2.0
"""For one answer, all tries together."""

LAST_S: Final = 1.0
"""Of an invocation, kept for the record and the queue, as beside the nodes."""

_RETRY_DELAYS_S: Final = (0.05, 0.2, 0.5)
_SIGNATURE_BYTES: Final = 64
# SubjectPublicKeyInfo of Ed25519 (RFC 8410): always these twelve bytes, then the key.
_SPKI_HEAD: Final = bytes.fromhex("302a300506032b6570032100")
_OK: Final = 200
# What KMS says in place of a status; the first of them is a 400.
_PASSING: Final = re.compile(rb"Throttl|LimitExceeded|DependencyTimeout|KMSInternal|KeyUnavailable")
_ERROR_CODE: Final = re.compile(r"[A-Za-z]{1,60}$")


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
        self._endpoint, self._key_id = endpoint, key_id
        self._sleep, self._time_left = sleep, time_left
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
        """Return the members of an answer; what passes is tried again, since the same is always signed alike.

        Raises:
            KeyUnusableError, RetryableError: As ``sign``.
        """
        ends_at = time.monotonic() + TIME_LIMIT_S
        body = json.dumps({"KeyId": self._key_id, **request}).encode()
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"TrentService.{operation}",
        }
        problem = "no time left"
        for delay_s in (*_RETRY_DELAYS_S, None):
            limit_s = self._limited(ends_at - time.monotonic())
            if limit_s <= 0:
                break
            try:
                answer = self._endpoint().request("POST", "/", body, headers=headers, time_limit_s=limit_s)
            except NotSentError:
                problem = "not reached"
            except NoAnswerError:
                problem = "no answer"
            else:
                if answer.status == _OK:
                    return _members(answer.body)
                problem = f"{answer.status} {_code(answer)}"
                if answer.status < 500 and not _PASSING.search(answer.body):
                    raise self._unusable(operation, problem)
            if delay_s is not None:
                self._sleep(max(0.0, self._limited(min(delay_s, ends_at - time.monotonic()))))
        logger.warning("KMS does not answer", operation=operation, key_id=self._key_id, reason=problem)
        raise RetryableError("the key's holder does not answer")

    def _limited(self, seconds: float) -> float:
        return self._time_left.for_work(seconds + LAST_S) - LAST_S

    def _unusable(self, operation: str, problem: str) -> KeyUnusableError:
        """Return the fault; tell operators of it, since it does not pass by itself."""
        logger.error("key of KMS not usable", operation=operation, key_id=self._key_id, reason=problem)
        return KeyUnusableError("the wallet's key cannot be used now")


def _members(body: bytes) -> dict[str, Any]:
    """Return the members of an answer, none if it is not KMS's."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bytes_in(answer: dict[str, Any], name: str) -> bytes:
    """Return bytes that an answer holds, none if it holds something else."""
    try:
        return base64.b64decode(answer.get(name) or "", validate=True)
    except (ValueError, TypeError):
        return b""


def _code(answer: EndpointAnswer) -> str:
    """Return the name of an error, which holds no more than that."""
    named = _ERROR_CODE.search(str(_members(answer.body).get("__type", "")))
    return named[0] if named else "without a name"
