"""The port ``Signer``: whose wallet an account trades with, and signatures of its key or of its delegate.

Signatures are Ed25519, so the same message always gives the same one: nothing is lost with an answer.
"""

import hashlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.adapters.solana.keys import KEY_BYTES, Pubkey
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.errors import Code, RefusedError

_KEYS_KEPT: Final = 4096


class KeyHolder(Protocol):
    """Holds one private key, here or elsewhere."""

    @property
    def key(self) -> Pubkey: ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature. Raises ``RetryableError`` if the holder does not answer."""
        ...


class Signer(Protocol):
    """Signs for accounts."""

    def wallet(self, account_id: str) -> TradingWallet:
        """Return the account's wallet. Raises ``RefusedError`` if it has none."""
        ...

    def sign(self, account_id: str, message: bytes) -> bytes:
        """Return the signature of the wallet's authority.

        Raises ``RetryableError`` if the key's holder does not answer.
        """
        ...


class SeedKey:
    """A key in this process's memory."""

    def __init__(self, private: bytes) -> None:
        assert len(private) == KEY_BYTES, "an Ed25519 key has 32 bytes"
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self._key = Pubkey(self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def key(self) -> Pubkey:
        return self._key

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


class SeedSigner:
    """A wallet per account, each key HKDF-SHA256 (RFC 5869) of one seed, bound to the account.

    For a local chain, devnet, and small floats: the seed's holder has every wallet.
    """

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._key_of = lru_cache(maxsize=_KEYS_KEPT)(self._derived)

    def wallet(self, account_id: str) -> TradingWallet:
        key = self._key_of(account_id).key
        return TradingWallet(key, key)

    def sign(self, account_id: str, message: bytes) -> bytes:
        return self._key_of(account_id).sign(message)

    def _derived(self, account_id: str) -> SeedKey:
        info = b"orderflow wallet:" + account_id.encode()
        return SeedKey(
            HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._seed)
        )


class OwnKeySigner:
    """A key holder per account, such as a KMS key each."""

    def __init__(self, holder_of: Callable[[str], KeyHolder | None]) -> None:
        self._holder_of = holder_of

    def wallet(self, account_id: str) -> TradingWallet:
        key = self._holder(account_id).key
        return TradingWallet(key, key)

    def sign(self, account_id: str, message: bytes) -> bytes:
        return self._holder(account_id).sign(message)

    def _holder(self, account_id: str) -> KeyHolder:
        holder = self._holder_of(account_id)
        if holder is None:
            raise RefusedError(Code.INSUFFICIENT_FUNDS, "the account has no wallet")
        return holder


class DelegateSigner:
    """One desk key for all accounts, approved by each owner for an allowance on its own token accounts.

    Tokens leave the owner's accounts by a swap alone, and what a swap pays goes to the owner's own account.

    Args:
        owner_of: Returns the wallet that an account has registered (``wallet_registration``), None without
            one.
    """

    def __init__(self, desk: KeyHolder, owner_of: Callable[[str], Pubkey | None]) -> None:
        self._desk, self._owner_of = desk, owner_of

    def wallet(self, account_id: str) -> TradingWallet:
        owner = self._owner_of(account_id)
        if owner is None:
            raise RefusedError(Code.INSUFFICIENT_FUNDS, "the account has not registered a wallet")
        if owner == self._desk.key:
            # The desk would then own what it takes, and every restriction of a delegate would be off.
            raise RefusedError(Code.INSUFFICIENT_FUNDS, "the desk's own key is no account's wallet")
        return TradingWallet(self._desk.key, owner)

    def sign(self, account_id: str, message: bytes) -> bytes:
        self.wallet(account_id)
        return self._desk.sign(message)


class DeferredSigner:
    """A signer that is made when it is first asked: who never signs may not read what it is made of."""

    def __init__(self, made: Callable[[], Signer]) -> None:
        self._signer = cache(made)

    def wallet(self, account_id: str) -> TradingWallet:
        return self._signer().wallet(account_id)

    def sign(self, account_id: str, message: bytes) -> bytes:
        return self._signer().sign(account_id, message)


def desk_key_of(seed: bytes) -> SeedKey:
    """Return a desk's key from a seed, for a local chain and devnet; no account's wallet has this key."""
    return SeedKey(hashlib.sha256(b"orderflow desk:" + seed).digest())
