"""Which wallet each account has registered, in Postgres, with the signature that proves it.

The proof is looked at whenever a row is read: a login that can write here gives no account a wallet.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any, Final

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.wallet_registration import check_answer, is_proof
from chalicelib.domain.errors import FieldError, RetryableError
from chalicelib.logs import logger

KNOWN_FOR_S: Final = 10.0
"""A wallet that is revoked serves orders for so long at most: approvals on chain end at once."""

_KNOWN_MAX: Final = 10_000
_OF_ACCOUNT: Final = text("""
SELECT account_id, wallet, challenge, signature FROM registered_wallets
WHERE account_id = :account_id AND revoked_at IS NULL
""")
_IN_FORCE: Final = text("""
SELECT account_id, wallet FROM registered_wallets
WHERE (account_id = :account_id OR wallet = :wallet) AND revoked_at IS NULL
""")
_REGISTER: Final = text("""
INSERT INTO registered_wallets (account_id, wallet, challenge, signature)
VALUES (:account_id, :wallet, :challenge, :signature) ON CONFLICT DO NOTHING
""")
_REVOKE: Final = text("""
UPDATE registered_wallets SET revoked_at = clock_timestamp()
WHERE account_id = :account_id AND revoked_at IS NULL RETURNING wallet
""")


class RegisteredWallets:
    """The table; ``owner_of`` is what ``DelegateSigner`` asks. Safe to share between threads."""

    def __init__(self, engine: Engine, *, now_s: Callable[[], float] = monotonic) -> None:
        self._engine, self._now_s = engine, now_s
        self._known: dict[str, tuple[float, Pubkey]] = {}

    def owner_of(self, account_id: str) -> Pubkey | None:
        """Return the wallet that an account has registered, None without one or without its proof.

        Raises ``RetryableError`` if the database does not answer.
        """
        since_s, wallet = self._known.get(account_id, (0.0, None))
        if wallet is not None and self._now_s() - since_s < KNOWN_FOR_S:
            return wallet
        with translated_errors(), self._engine.connect() as connection:
            row = connection.execute(_OF_ACCOUNT, {"account_id": account_id}).first()
        if row is None or not _is_proven(row):
            self._known.pop(account_id, None)
            if row is not None:
                logger.error("wallet without proof", account_id=account_id, wallet=row.wallet)
            return None
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        wallet = pubkey(row.wallet)
        self._known[account_id] = self._now_s(), wallet
        return wallet

    def register(
        self,
        account_id: str,
        wallet: Pubkey,
        *,
        text: str,
        signature: bytes,
        now: datetime,
        secret: bytes,
        site: str,
    ) -> bool:
        """Keep the answer to a challenge; return whether that is new. Safe to repeat.

        Raises:
            FieldError: The answer is none, or the account has another wallet, or the wallet another account.
            RetryableError: The database does not answer; or a registration was being revoked just then.
        """
        check_answer(account_id, wallet, text=text, signature=signature, now=now, secret=secret, site=site)
        address = address_of(wallet)
        row = {"account_id": account_id, "wallet": address, "challenge": text, "signature": signature}
        with translated_errors(), self._engine.begin() as connection:
            is_new = connection.execute(_REGISTER, row).rowcount == 1
            in_force = [] if is_new else connection.execute(_IN_FORCE, row).all()
            for found in in_force:
                if found.wallet != address:
                    raise FieldError(
                        "wallet", f"must be {found.wallet}, which the account has, or be revoked first"
                    )
                if found.account_id != account_id:
                    raise FieldError("wallet", "must not be another account's")
        if not is_new and not in_force:
            raise RetryableError("what stood against the registration was revoked just now")
        return is_new

    def revoke(self, account_id: str) -> str | None:
        """End an account's registration; return the wallet, None if it had none."""
        with translated_errors(), self._engine.begin() as connection:
            row = connection.execute(_REVOKE, {"account_id": account_id}).first()
        self._known.pop(account_id, None)
        return None if row is None else str(row.wallet)


def _is_proven(row: Any) -> bool:
    signature = bytes(row.signature)
    return is_proof(row.account_id, pubkey(row.wallet), text=row.challenge, signature=signature)
