import pytest

from chalicelib.adapters.simulated_market.transactions import wallet_of
from chalicelib.adapters.solana.keys import address_of
from chalicelib.adapters.solana.signer import DelegateSigner, OwnKeySigner, SeedKey, SeedSigner, desk_key_of
from chalicelib.adapters.solana.signing import verifies
from chalicelib.domain.errors import RefusedError
from tests.unit.adapters.solana.books import a_key


def test_account_keeps_the_wallet_that_it_has_on_the_simulated_market() -> None:
    wallet = SeedSigner(b"seed").wallet("acc")
    assert address_of(wallet.owner) == wallet_of(b"seed", "acc").address
    assert not wallet.is_delegated


def test_every_account_has_a_key_of_its_own_and_the_desk_another() -> None:
    signer = SeedSigner(b"seed")
    keys = {signer.wallet(account_id).owner for account_id in ("a", "b", "c")} | {desk_key_of(b"seed").key}
    assert len(keys) == 4
    signature = signer.sign("a", b"message")
    assert verifies(signer.wallet("a").authority, b"message", signature)
    assert not verifies(signer.wallet("b").authority, b"message", signature)
    assert signer.sign("a", b"message") == signature


def test_account_without_a_key_or_a_registered_wallet_is_refused() -> None:
    key = SeedKey(b"k" * 32)
    own = OwnKeySigner({"a": key}.get)
    assert own.wallet("a") == (key.key, key.key)
    assert own.sign("a", b"m") == key.sign(b"m")
    with pytest.raises(RefusedError, match="has no wallet"):
        own.wallet("b")
    delegate = DelegateSigner(key, {"a": a_key(1), "desk": key.key}.get)
    assert delegate.wallet("a") == (key.key, a_key(1))
    for account_id, problem in (("b", "has not registered"), ("desk", "no account's wallet")):
        with pytest.raises(RefusedError, match=problem):
            delegate.wallet(account_id)
        with pytest.raises(RefusedError, match=problem):
            delegate.sign(account_id, b"m")
