"""What wallets hold, read ahead where the tokens are known, and when it is not believed any more."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.beside import Beside, hand_over
from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.keys import NO_KEY, Pubkey, pubkey
from chalicelib.adapters.solana.rpc_nodes import Ask
from chalicelib.adapters.solana.signer import SeedSigner
from chalicelib.adapters.solana.tokens import Mint
from chalicelib.adapters.solana.wallet_reader import HOLDS_S, PlannedSpend, WalletReader, WalletsHeld
from chalicelib.domain.transactions import ExpectedSwap
from tests.unit.adapters.solana.fake_node import FakeNode, nodes_of
from tests.unit.adapters.solana.test_venue import a_node as a_node_with_pools
from tests.unit.adapters.solana.test_venue import a_reader

SIGNER = SeedSigner(b"seed")
BOOK = a_reader(a_node_with_pools()).read()
MINTS = BOOK.pools["CPMM"].on_chain.mints
SWAP = ExpectedSwap("acc", "CPMM0", "CPMM1")


class Wallets:
    """A reader on a clock that the test moves."""

    def __init__(self) -> None:
        self.node, self.now_s = FakeNode(), 1_000.0
        self.rpc = nodes_of(self.node)
        self.reader = WalletReader(self.rpc, time_limit_s=5, monotonic_s=lambda: self.now_s)
        self.gain(10**9)

    def gain(self, lamports: int) -> None:
        self.node.accounts[SIGNER.wallet("acc").owner] = Account(NO_KEY, lamports, b"")

    def read_ahead(self, swaps: Sequence[ExpectedSwap] = (SWAP,), book: Book | None = BOOK) -> list[Pubkey]:
        """Have some swaps read ahead for; return the accounts that were asked for."""
        self.reader.expect(swaps)
        keys: list[Pubkey] = []
        for one in self.reader.beside(book, 0):
            answers = self.rpc.converse(partial(_each_of, one), time_limit_s=5)
            hand_over([one], 0, answers)
            keys += [pubkey(text) for call in one.calls for text in call.params[0]]
        return keys

    def held(self, *mints: Mint, anew: bool = False) -> WalletsHeld:
        wallet = SIGNER.wallet("acc")
        spends = [PlannedSpend("acc", wallet, mints or MINTS)]
        return self.reader.held(spends, anew_without=() if anew else None)

    def lamports(self, held: WalletsHeld) -> int:
        return held.by_owner[SIGNER.wallet("acc").owner].lamports


def _each_of(one: Beside, ask: Ask, _: int) -> list[Any]:
    return ask.each(one.calls)


def test_wallet_that_was_met_is_read_ahead_and_not_asked_for_again() -> None:
    use = Wallets()
    assert use.read_ahead() == []
    assert use.held().place == 0
    use.reader.forget()
    wallet = SIGNER.wallet("acc")
    assert set(use.read_ahead()) == {
        wallet.authority,
        *(wallet.account(mint.key, mint.program) for mint in MINTS),
    }
    use.node.asked.clear()
    held = use.held()
    assert (use.lamports(held), held.place, use.node.asked) == (10**9, None, [])


def test_what_is_expected_is_read_ahead_once() -> None:
    use = Wallets()
    use.held()
    assert use.read_ahead()
    assert use.reader.beside(BOOK, 0) == ()


def test_expectation_ends_when_something_is_built() -> None:
    use = Wallets()
    use.held()
    use.reader.expect([SWAP])
    use.held()
    assert use.reader.beside(BOOK, 0) == ()


def test_nothing_is_read_ahead_without_pools_or_for_tokens_that_none_of_them_trades() -> None:
    use = Wallets()
    use.held()
    assert use.read_ahead(book=None) == []
    assert use.read_ahead([SWAP._replace(output_token="another")]) == []
    assert use.read_ahead([SWAP._replace(account_id="not met")]) == []


def test_tokens_that_a_route_may_lead_over_are_read_ahead() -> None:
    use = Wallets()
    use.held()
    cpmm, clmm = BOOK.pools["CPMM"], BOOK.pools["CLMM"]
    pools = {"one": cpmm._replace(tokens=("A", "B")), "two": clmm._replace(tokens=("B", "C"))}
    book = BOOK._replace(pools=pools)
    wallet, middle = SIGNER.wallet("acc"), clmm.on_chain.mints[0]
    assert wallet.account(middle.key, middle.program) in use.read_ahead([ExpectedSwap("acc", "A", "C")], book)


def test_what_was_read_long_ago_or_before_something_was_sent_is_read_again() -> None:
    use = Wallets()
    use.held()
    use.gain(7)
    assert use.lamports(use.held()) == 10**9
    use.now_s += HOLDS_S + 0.001
    assert use.lamports(use.held()) == 7
    use.gain(8)
    use.reader.forget()
    assert use.lamports(use.held()) == 8
    use.gain(9)
    assert use.lamports(use.held(anew=True)) == 9


def test_what_was_asked_before_something_was_sent_is_not_kept_when_it_is_answered_after_that() -> None:
    use = Wallets()
    use.held()
    use.reader.expect([SWAP])
    (one,) = use.reader.beside(BOOK, 0)
    answers = use.rpc.converse(lambda ask, _: ask.each(one.calls), time_limit_s=5)
    use.now_s += 0.001
    use.reader.forget()
    hand_over([one], 0, answers)
    use.gain(7)
    assert use.lamports(use.held()) == 7


def test_only_accounts_that_were_not_read_ahead_are_asked_for() -> None:
    use = Wallets()
    use.held(MINTS[0])
    use.node.asked.clear()
    held = use.held(*MINTS)
    (call,) = use.node.asked
    assert len(call.params[0]) == 1
    assert held.place is None
