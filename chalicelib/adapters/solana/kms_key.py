"""A key that AWS KMS holds and never gives away: key spec ``ECC_NIST_EDWARDS25519``, usage ``SIGN_VERIFY``.

KMS signs the message itself (``ED25519_SHA_512`` with ``RAW``, up to 4,096 bytes): what it returns is the
transaction's signature. The other algorithm of such keys hashes first, and no Solana node would accept it.
KMS does not look into what it signs; ``message_guard`` does.
"""

from threading import Lock
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey
from chalicelib.domain.errors import RetryableError

MESSAGE_BYTES_MAX: Final = 4096
ALGORITHM: Final = "ED25519_SHA_512"
KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
_SIGNATURE_BYTES: Final = 64
# SubjectPublicKeyInfo of Ed25519 (RFC 8410): always these twelve bytes, then the key.
_SPKI_HEAD: Final = bytes.fromhex("302a300506032b6570032100")


class KmsClient(Protocol):
    """What is used of boto3's client."""

    def get_public_key(self, *, KeyId: str) -> Any: ...  # noqa: N803 - AWS's own names

    def sign(
        self,
        *,
        KeyId: str,  # noqa: N803
        Message: bytes,  # noqa: N803
        MessageType: str,  # noqa: N803
        SigningAlgorithm: str,  # noqa: N803
    ) -> Any: ...


class KmsKey:
    """One key of KMS; its public key is asked for once. Safe to share between threads."""

    def __init__(self, client: KmsClient, key_id: str) -> None:
        self._client, self._key_id = client, key_id
        self._lock = Lock()
        self._key: Pubkey | None = None

    @property
    def key(self) -> Pubkey:
        """The address.

        Raises:
            RetryableError: KMS does not answer.
            ValueError: The key is of another kind.
        """
        with self._lock:
            if self._key is None:
                self._key = self._public_key()
            return self._key

    def sign(self, message: bytes) -> bytes:
        """Return the signature.

        Raises:
            RetryableError: KMS does not answer.
            ValueError: It answers something that is no signature, or the message is too long.
        """
        if not 0 < len(message) <= MESSAGE_BYTES_MAX:
            raise ValueError(f"KMS signs 1 to {MESSAGE_BYTES_MAX} bytes, not {len(message)}")
        try:
            answer = self._client.sign(
                KeyId=self._key_id, Message=message, MessageType="RAW", SigningAlgorithm=ALGORITHM
            )
        except (BotoCoreError, ClientError) as error:
            raise RetryableError("the key's holder did not sign") from error
        signature = bytes(answer["Signature"])
        if len(signature) != _SIGNATURE_BYTES:
            raise ValueError(f"a signature of {len(signature)} bytes")
        return signature

    def _public_key(self) -> Pubkey:
        try:
            answer = self._client.get_public_key(KeyId=self._key_id)
        except (BotoCoreError, ClientError) as error:
            raise RetryableError("the key's holder did not show its key") from error
        raw = bytes(answer["PublicKey"])
        is_right = answer.get("KeyUsage") == "SIGN_VERIFY" and raw.startswith(_SPKI_HEAD)
        if not is_right or len(raw) != len(_SPKI_HEAD) + KEY_BYTES:
            raise ValueError(f"{self._key_id} is no signing key of {KEY_SPEC}")
        return Pubkey(raw[len(_SPKI_HEAD) :])
