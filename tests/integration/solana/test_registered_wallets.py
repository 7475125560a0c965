"""Registered wallets on a real database: one per account, proven by its signature, revoked for good."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.registered_wallets import KNOWN_FOR_S, RegisteredWallets
from chalicelib.adapters.solana.signer import SeedKey
from chalicelib.adapters.solana.wallet_registration import challenge
from chalicelib.domain.errors import FieldError, RetryableError

AT = datetime(2026, 11, 28, 1, 2, 3, tzinfo=UTC)
SECRET, SITE = b"s" * 32, "Orderflow"
WALLET, OTHER = SeedKey(b"w" * 32), SeedKey(b"x" * 32)


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def wallets(engine: Engine, time: Time) -> RegisteredWallets:
    return RegisteredWallets(engine, now_s=lambda: time.now_s)


def register(wallets: RegisteredWallets, account_id: str = "alice", key: SeedKey = WALLET) -> bool:
    signed = challenge(account_id, key.key, AT, secret=SECRET, site=SITE)
    return wallets.register(
        account_id,
        key.key,
        text=signed,
        signature=key.sign(signed.encode()),
        now=AT,
        secret=SECRET,
        site=SITE,
    )


def registrations(engine: Engine) -> list[tuple[str, bool]]:
    """Return whose registrations are on record, and whether they are in force."""
    asked = "SELECT account_id, revoked_at IS NULL AS holds FROM registered_wallets ORDER BY account_id"
    with engine.connect() as connection:
        return [(row.account_id, row.holds) for row in connection.execute(text(asked))]


def test_registered_wallet_is_the_accounts_and_registering_it_again_changes_nothing(
    wallets: RegisteredWallets, engine: Engine
) -> None:
    assert wallets.owner_of("alice") is None
    assert register(wallets)
    assert not register(wallets)
    assert wallets.owner_of("alice") == WALLET.key
    assert wallets.owner_of("bob") is None
    assert registrations(engine) == [("alice", True)]


def test_registration_that_is_revoked_just_then_is_not_told_to_hold(
    wallets: RegisteredWallets, engine: Engine, database_url: str
) -> None:
    register(wallets)
    operator = make_engine(database_url)

    def revoke(*args: Any) -> None:
        if "INSERT" in args[2]:
            RegisteredWallets(operator).revoke("alice")

    event.listen(engine, "after_cursor_execute", revoke)
    with pytest.raises(RetryableError, match="revoked"):
        register(wallets)
    operator.dispose()
    assert registrations(engine) == [("alice", False)]


def test_wallet_is_found_in_the_first_seconds_of_a_machines_clock(engine: Engine, time: Time) -> None:
    time.now_s = 1.0
    wallets = RegisteredWallets(engine, now_s=lambda: time.now_s)
    register(wallets)
    assert wallets.owner_of("alice") == WALLET.key


def test_account_has_one_wallet_and_a_wallet_one_account(wallets: RegisteredWallets) -> None:
    register(wallets)
    with pytest.raises(FieldError, match="which the account has"):
        register(wallets, key=OTHER)
    with pytest.raises(FieldError, match="must not be another account's"):
        register(wallets, "bob")
    assert wallets.owner_of("alice") == WALLET.key
    assert wallets.owner_of("bob") is None


def test_answer_that_the_wallet_did_not_sign_registers_nothing(
    wallets: RegisteredWallets, engine: Engine
) -> None:
    signed = challenge("alice", WALLET.key, AT, secret=SECRET, site=SITE)
    forged = OTHER.sign(signed.encode())
    with pytest.raises(FieldError, match="must be the wallet's signature"):
        wallets.register("alice", WALLET.key, text=signed, signature=forged, now=AT, secret=SECRET, site=SITE)
    assert registrations(engine) == []


def test_revoked_wallet_is_nobodys_and_may_be_registered_anew(
    wallets: RegisteredWallets, engine: Engine
) -> None:
    register(wallets)
    assert wallets.owner_of("alice") == WALLET.key
    assert wallets.revoke("alice") == address_of(WALLET.key)
    assert wallets.owner_of("alice") is None
    assert wallets.revoke("alice") is None
    assert register(wallets, "bob")
    assert wallets.owner_of("bob") == WALLET.key
    assert registrations(engine) == [("alice", False), ("bob", True)]


def test_revoking_an_accounts_wallet_leaves_the_other_accounts_theirs(
    wallets: RegisteredWallets, engine: Engine
) -> None:
    register(wallets)
    register(wallets, "bob", OTHER)
    assert wallets.revoke("alice") == address_of(WALLET.key)
    assert registrations(engine) == [("alice", False), ("bob", True)]


def test_wallet_in_force_may_be_registered_again_after_another_was_revoked(
    wallets: RegisteredWallets,
) -> None:
    register(wallets, "bob")
    wallets.revoke("bob")
    register(wallets, key=OTHER)
    wallets.revoke("alice")
    assert register(wallets)
    assert not register(wallets)
    assert wallets.owner_of("alice") == WALLET.key


def test_wallet_that_is_registered_again_meets_no_other_accounts_wallet(
    wallets: RegisteredWallets, engine: Engine
) -> None:
    register(wallets, "bob", OTHER)
    register(wallets)
    assert not register(wallets)
    assert not register(wallets, "bob", OTHER)
    assert registrations(engine) == [("alice", True), ("bob", True)]


def test_wallet_is_remembered_for_seconds_and_one_that_is_revoked_here_not_at_all(
    wallets: RegisteredWallets, engine: Engine, time: Time
) -> None:
    register(wallets)
    assert wallets.owner_of("alice") == WALLET.key
    RegisteredWallets(engine).revoke("alice")
    time.now_s += KNOWN_FOR_S - 0.1
    assert wallets.owner_of("alice") == WALLET.key  # without a question
    assert wallets.revoke("alice") is None
    assert wallets.owner_of("alice") is None


def test_wallet_revoked_elsewhere_serves_no_longer_than_it_is_remembered(
    wallets: RegisteredWallets, engine: Engine, time: Time
) -> None:
    register(wallets)
    assert wallets.owner_of("alice") == WALLET.key
    RegisteredWallets(engine).revoke("alice")
    time.now_s += KNOWN_FOR_S
    assert wallets.owner_of("alice") is None


def test_row_that_somebody_wrote_without_the_wallets_signature_makes_it_nobodys(
    wallets: RegisteredWallets, engine: Engine
) -> None:
    register(wallets)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE registered_wallets SET wallet = :wallet"), {"wallet": address_of(OTHER.key)}
        )
    assert wallets.owner_of("alice") is None
