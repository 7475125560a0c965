"""Whose wallet is whose; the rest of the evidence is tried on forged databases in ``tests/security``."""

from chalicelib.adapters.simulated_market.evidence import Wallets
from chalicelib.adapters.simulated_market.transactions import wallet_of

SEED = b"a seed"
ALICE, BOB = (wallet_of(SEED, account_id).address for account_id in ("alice", "bob"))


def test_seed_proves_whose_wallet_it_is() -> None:
    wallets = Wallets(SEED)
    assert wallets.problem("alice", ALICE) is None
    assert wallets.problem("alice", BOB) == f"{BOB} is not the wallet of account alice"


def test_without_the_seed_an_account_keeps_the_wallet_that_it_had_first() -> None:
    wallets = Wallets(None)
    assert wallets.problem("alice", ALICE) is None
    assert wallets.problem("alice", ALICE) is None
    assert wallets.problem("alice", BOB) == "account alice has another wallet elsewhere"


def test_without_the_seed_no_two_accounts_have_one_wallet() -> None:
    wallets = Wallets(None)
    assert wallets.problem("alice", ALICE) is None
    assert wallets.problem("mallory", ALICE) == f"wallet {ALICE} is another account's elsewhere"
