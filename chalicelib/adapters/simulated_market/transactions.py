"""Transactions of the simulated chain: their bytes, who signed them, and whether they may still land."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import TypeAdapter, ValidationError

from chalicelib.adapters import base58
from chalicelib.domain.transactions import SignedTransaction, SwapInstruction
from chalicelib.values import value
from chalicelib.wire.deflated import deflated, inflated

VALIDITY_BLOCKS: Final = 150
"""A block hash is good for so many blocks (Solana, ``MAX_PROCESSING_AGE``)."""

_VERSION: Final = 1
_TEXT_BYTES_MAX: Final = 100_000

# The text is what is signed; what is sent and kept is the text deflated, after this byte. Earlier releases
# sent the text itself, which begins with a brace.
_DEFLATED: Final = b"\x01"
_DICTIONARY: Final = (
    b'{"account_id":"local","damm_v2-USDTBONKJUP","exact_out"{"pool_id":"meteora-damm_v2-ETH-USDC-25",'
    b'"planned_units":1500000000},{"pool_id":"meteora-dlmm-SOL-USDT-20","planned_units":225000000}'
    b'{"version":1,"wallet":"","instruction":{"account_id":"local","order_id":"01a220dc-c27a-7","attempt":1,'
    b'"swap_mode":"exact_in","input_token":"USDC","output_token":"SOL","paths":[{"tokens":["SOL","USDC"],"hops":'
    b'[[{"pool_id":"raydium-clmm-SOL-USDC-4","planned_units":1500000000}],[{"pool_id":"raydium-clmm-ETH-USDC-5"'
    b',"planned_units":160}]]}],"threshold_units":1592},"last_valid_height":1,"blockhash":"'
)
_KEYS_KEPT: Final = 4096
_BLOCKS_KEPT: Final = 1024
_SIGNED_KEPT: Final = 1000


@value
class Message:
    """What is signed. Equal messages have equal bytes, and so equal signatures (Ed25519 is deterministic)."""

    version: int
    wallet: str
    instruction: SwapInstruction
    last_valid_height: int
    blockhash: str


@value
class Transaction:
    """A message whose signature was checked."""

    signature: str
    message: Message


_MESSAGE: Final = TypeAdapter(Message)


@value
class Wallet:
    """An account's key pair; the address is the public key in base58."""

    address: str
    sign: Callable[[bytes], bytes]


@lru_cache(maxsize=_BLOCKS_KEPT)
def blockhash(genesis: str, height: int) -> str:
    """Return the hash of the block at a height; another chain has other hashes."""
    return base58.encode(hashlib.sha256(f"{genesis}:{height}".encode()).digest())


@lru_cache(maxsize=_KEYS_KEPT)
def wallet_of(seed: bytes, account_id: str) -> Wallet:
    """Return the wallet of an account: its key is HKDF-SHA256 (RFC 5869) of the seed,
    bound to the account.
    """
    derive = HKDF(
        algorithm=hashes.SHA256(), length=32, salt=None, info=b"orderflow wallet:" + account_id.encode()
    )
    key = Ed25519PrivateKey.from_private_bytes(derive.derive(seed))
    return Wallet(base58.encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)), key.sign)


def sign(
    wallet: Wallet, instruction: SwapInstruction, *, genesis: str, height: int
) -> tuple[SignedTransaction, Transaction]:
    """Return the bytes that carry out an instruction, and what ``verified`` would read from them.

    They are good for ``VALIDITY_BLOCKS`` after ``height``.
    """
    last_valid_height = height + VALIDITY_BLOCKS
    message = Message(_VERSION, wallet.address, instruction, last_valid_height, blockhash(genesis, height))
    text = _MESSAGE.dump_json(message, exclude_none=True)
    signature = base58.encode(wallet.sign(text))
    payload = _DEFLATED + deflated(text, _DICTIONARY)
    return SignedTransaction(signature, payload, last_valid_height), Transaction(signature, message)


class OwnSignatures:
    """What this process signed itself and has not sent yet: it needs no proof.

    Reading the bytes back and checking the signature takes 0.15 ms of processor time, and nearly all that is
    sent was signed a moment ago.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, Transaction]] = {}

    def keep(self, signed_bytes: SignedTransaction, transaction: Transaction) -> None:
        """Remember a transaction; far too many that were never sent are forgotten."""
        if len(self._kept) >= _SIGNED_KEPT:
            self._kept.clear()
        self._kept[signed_bytes.signature] = signed_bytes.payload, transaction

    def verified(self, signature: str, payload: bytes) -> Transaction | None:
        """Return what the function ``verified`` does."""
        known = self._kept.pop(signature, None)
        return known[1] if known is not None and known[0] == payload else verified(signature, payload)


def verified(signature: str, payload: bytes) -> Transaction | None:
    """Return the transaction, or None if the bytes are not one or its wallet did not sign them."""
    try:
        text = signed_text(payload)
        message = _MESSAGE.validate_json(text)
        key = Ed25519PublicKey.from_public_bytes(base58.decode(message.wallet))
        key.verify(base58.decode(signature), text)
    except (ValidationError, ValueError, InvalidSignature):
        return None
    return Transaction(signature, message) if message.version == _VERSION else None


def signed_text(payload: bytes) -> bytes:
    """Return what a wallet signed. Raises ``ValueError`` if the bytes are damaged."""
    if payload[:1] != _DEFLATED:
        return payload
    return inflated(payload[1:], _DICTIONARY, bytes_max=_TEXT_BYTES_MAX)


def can_land(message: Message, *, genesis: str, height: int) -> bool:
    """Return whether a block at this height may hold the message: its block hash is real,
    and recent enough.
    """
    signed_at = message.last_valid_height - VALIDITY_BLOCKS
    return signed_at <= height <= message.last_valid_height and message.blockhash == blockhash(
        genesis, signed_at
    )
