from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.solana.pda import derived
from chalicelib.adapters.solana.programs import TOKEN
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.wallet_registration import VALID, challenge, check_answer, is_proof
from chalicelib.domain.errors import FieldError

AT = datetime(2026, 11, 28, 1, 2, 3, 456, tzinfo=UTC)
SECRET, SITE = b"s" * 32, "Orderflow"
WALLET, STRANGER = SeedKey(b"w" * 32), SeedKey(b"x" * 32)
TEXT = challenge("acc", WALLET.key, AT, secret=SECRET, site=SITE)


def answer(
    account_id: str = "acc",
    wallet: SeedKey = WALLET,
    text: str = TEXT,
    signature: bytes | None = None,
    now: datetime = AT + timedelta(minutes=1),
    secret: bytes = SECRET,
) -> None:
    signed = WALLET.sign(text.encode()) if signature is None else signature
    check_answer(account_id, wallet.key, text=text, signature=signed, now=now, secret=secret, site=SITE)


def test_wallet_that_signed_the_text_for_the_account_is_accepted_more_than_once() -> None:
    answer()
    answer()


@pytest.mark.parametrize("passed", [timedelta(seconds=-30), timedelta(0), timedelta(seconds=1), VALID])
def test_answer_is_accepted_at_once_and_for_five_minutes_whatever_the_clocks_differ(
    passed: timedelta,
) -> None:
    answer(now=AT.replace(microsecond=0) + passed)


def test_signature_in_the_command_lines_envelope_is_accepted() -> None:
    raw = TEXT.encode()
    answer(signature=WALLET.sign(b"\xffsolana offchain\x00\x00" + len(raw).to_bytes(2, "little") + raw))


def test_text_names_account_wallet_and_site() -> None:
    assert TEXT.startswith("Orderflow: use this wallet for the account 'acc'.")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account_id": "other"}, "text"),
        ({"wallet": STRANGER}, "text"),
        ({"secret": b"t" * 32}, "text"),
        ({"text": TEXT.replace("2026", "2027")}, "text"),
        ({"text": TEXT + "\n"}, "text"),
        ({"text": "Asked for: soon"}, "text"),
        ({"text": ""}, "text"),
        ({"now": AT + VALID + timedelta(seconds=1)}, "text"),
        ({"now": AT - timedelta(seconds=31)}, "text"),
        ({"signature": STRANGER.sign(TEXT.encode())}, "signature"),
        ({"signature": bytes(64)}, "signature"),
        ({"signature": b""}, "signature"),
    ],
)
def test_anything_else_than_the_wallets_answer_is_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(FieldError) as refused:
        answer(**change)  # type: ignore[arg-type]
    assert refused.value.details[0].field == field


def test_address_that_no_key_can_sign_for_gets_no_challenge() -> None:
    with pytest.raises(FieldError, match="no key can sign"):
        challenge("acc", derived(TOKEN, b"x"), AT, secret=SECRET, site=SITE)


def test_account_with_line_breaks_cannot_write_lines_of_its_own() -> None:
    text = challenge("a\nWallet: me", WALLET.key, AT, secret=SECRET, site=SITE)
    assert text.count("\nWallet: ") == 1


def test_answer_that_was_kept_proves_itself_for_its_account_and_wallet_alone() -> None:
    signature = WALLET.sign(TEXT.encode())
    assert is_proof("acc", WALLET.key, text=TEXT, signature=signature)
    assert not is_proof("other", WALLET.key, text=TEXT, signature=signature)
    assert not is_proof("acc", STRANGER.key, text=TEXT, signature=STRANGER.sign(TEXT.encode()))
    assert not is_proof("acc", WALLET.key, text=TEXT, signature=STRANGER.sign(TEXT.encode()))
    for account_id in ("a'.", "acc'. x: use this wallet for the account 'acc"):
        text = challenge(account_id, WALLET.key, AT, secret=SECRET, site=SITE)
        assert not is_proof("acc", WALLET.key, text=text, signature=WALLET.sign(text.encode()))
        assert is_proof(account_id, WALLET.key, text=text, signature=WALLET.sign(text.encode()))
