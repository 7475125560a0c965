"""Whose wallet it is: an account's holder signs a text with the wallet's key.

The text names the account, the wallet and when it was asked for, and is bound to both by a code of ours, so
that nothing has to be kept until it comes back. It is signed as wallets sign messages: as it is
(``signMessage``), or in the envelope of the Solana command line (``solana sign-offchain-message``, off-chain
message version 0). Neither can be a transaction: the envelope begins with 0xff, and the text cannot be read
as a message.
"""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from chalicelib.adapters.solana.keys import Pubkey, address_of
from chalicelib.adapters.solana.message_reader import read_message
from chalicelib.adapters.solana.pda import is_on_curve
from chalicelib.adapters.solana.signing import verifies
from chalicelib.domain.errors import FieldError

VALID: Final = timedelta(minutes=5)
_CLOCKS_DIFFER: Final = timedelta(seconds=30)
_CODE_CHARACTERS: Final = 32
_SIGNATURE_BYTES: Final = 64
_PURPOSE: Final = ": use this wallet for the account "
# Signing domain, version 0, format 0 (plain ASCII).
_ENVELOPE: Final = b"\xffsolana offchain\x00\x00"


def challenge(account_id: str, wallet: Pubkey, at: datetime, *, secret: bytes, site: str) -> str:
    """Return the text to sign.

    Args:
        at: Now; the text is good for five minutes.
        secret: Known to us alone.
        site: What the wallet's user knows us by.

    Raises:
        FieldError: No private key can sign for that address.
    """
    if not is_on_curve(wallet):
        raise FieldError("wallet", "must be a wallet's address: no key can sign for this one")
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = (
        f"{site}{_PURPOSE}{account_id!a}.\n\n"
        f"Wallet: {address_of(wallet)}\nAsked for: {moment}\n"
        f"Code: {_code(account_id, wallet, moment, secret)}\n\n"
        "Signing this moves nothing and costs nothing."
    )
    assert text.isascii(), "the site's name is plain"
    _assert_no_transaction(text.encode())
    return text


def check_answer(
    account_id: str,
    wallet: Pubkey,
    *,
    text: str,
    signature: bytes,
    now: datetime,
    secret: bytes,
    site: str,
) -> None:
    """Accept the answer to a challenge: from then on the wallet is the account's.

    Answering twice changes nothing; the same text for another account or wallet is another text.

    Raises:
        FieldError: The text is not ours, or too old, or the wallet's key did not sign it.
    """
    at = _asked_at(text)
    if at is None or not hmac.compare_digest(
        text.encode(), challenge(account_id, wallet, at, secret=secret, site=site).encode()
    ):
        raise FieldError("text", "must be the challenge for this account and wallet")
    if not at - _CLOCKS_DIFFER <= now <= at + VALID:
        raise FieldError("text", "must not be older than five minutes")
    if not _is_signed(wallet, text, signature):
        raise FieldError("signature", "must be the wallet's signature of the text")


def is_proof(account_id: str, wallet: Pubkey, *, text: str, signature: bytes) -> bool:
    """Return whether a wallet once signed that it is the account's, whenever that was.

    What is kept of an answer proves itself: who writes into the place where it is kept cannot make one up.
    """
    _, _, named = text.partition("\n")[0].partition(_PURPOSE)
    is_named = named == f"{account_id!a}." and f"\nWallet: {address_of(wallet)}\n" in text
    return is_named and _is_signed(wallet, text, signature)


def _is_signed(wallet: Pubkey, text: str, signature: bytes) -> bool:
    raw = text.encode()
    signed = (raw, _ENVELOPE + len(raw).to_bytes(2, "little") + raw)
    return len(signature) == _SIGNATURE_BYTES and any(verifies(wallet, one, signature) for one in signed)


def _asked_at(text: str) -> datetime | None:
    for line in text.splitlines():
        if line.startswith("Asked for: "):
            try:
                moment = datetime.strptime(line, "Asked for: %Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - see below
            except ValueError:
                return None
            return moment.replace(tzinfo=UTC)
    return None


def _code(account_id: str, wallet: Pubkey, moment: str, secret: bytes) -> str:
    told = "\n".join((account_id, address_of(wallet), moment))
    key = hmac.digest(secret, b"orderflow wallet registration", sha256)
    return hmac.new(key, told.encode(), sha256).hexdigest()[:_CODE_CHARACTERS]


def _assert_no_transaction(raw: bytes) -> None:
    try:
        read_message(raw)
    except ValueError:
        return
    raise AssertionError("the text could be signed as a transaction")
