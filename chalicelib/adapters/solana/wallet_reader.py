"""What wallets hold, read together with the pools where it is known by then whose orders will be planned.

Which accounts a transaction needs follows from its route. But tokens in and out are known before, and so are
those that any route may lead over; what is missing after all is read when the transaction is built.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, Final, NamedTuple

from chalicelib.adapters.solana.accounts import Account
from chalicelib.adapters.solana.beside import Beside, calls_of, hand_over
from chalicelib.adapters.solana.book import Book
from chalicelib.adapters.solana.holdings import Holdings, holdings_of, keys_of
from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.adapters.solana.rpc_answers import accounts_at
from chalicelib.adapters.solana.rpc_calls import ACCOUNTS_MAX, get_multiple_accounts
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.adapters.solana.tokens import Mint
from chalicelib.adapters.solana.trading_wallet import TradingWallet
from chalicelib.domain.transactions import ExpectedSwap
from chalicelib.logs import logger

HOLDS_S: Final = 1.0
"""Accounts that were read so recently, and after all that was sent, are built with as they are."""

_WALLETS_KEPT: Final = 4_096


class PlannedSpend(NamedTuple):
    """A wallet, and the mints of all tokens that its transaction touches."""

    account_id: str
    wallet: TradingWallet
    mints: Sequence[Mint]


class WalletsHeld(NamedTuple):
    """What wallets hold, by owner.

    Attributes:
        place: Of the node that all of it was read from for this; None if some was known before.
    """

    by_owner: dict[Pubkey, Holdings]
    place: int | None


class _Read(NamedTuple):
    at_s: float
    account: Account | None


class WalletReader:
    """Reads wallets' accounts; safe to share between threads."""

    def __init__(
        self, nodes: RpcNodes, *, time_limit_s: float, monotonic_s: Callable[[], float] = monotonic
    ) -> None:
        self._nodes, self._time_limit_s, self._monotonic_s = nodes, time_limit_s, monotonic_s
        self._lock = Lock()
        self._wallets: dict[str, TradingWallet] = {}
        self._reads: dict[Pubkey, _Read] = {}
        self._sent_at_s = 0.0
        self._expected: Sequence[ExpectedSwap] = ()

    def expect(self, swaps: Sequence[ExpectedSwap]) -> None:
        """Note whose tokens the pools will be read for next, in place of what was noted before."""
        with self._lock:
            self._expected = swaps

    def beside(self, book: Book | None, newest_slot: int) -> Sequence[Beside]:
        """Return what to ask beside the pools, once for what is expected.

        Args:
            book: The pools as they were last: mints, and which tokens a route can lead over, hardly change.
            newest_slot: The accounts are to be as of no older one.
        """
        with self._lock:
            expected, self._expected = self._expected, ()
            wallets = [self._wallets.get(each.account_id) for each in expected]
        if book is None or not any(wallets):
            return ()
        mints, neighbours = _mints(book), _neighbours(book)
        direct: dict[Pubkey, None] = {}
        between: dict[Pubkey, None] = {}
        for each, wallet in zip(expected, wallets, strict=True):
            if wallet is None or not {each.input_token, each.output_token} <= mints.keys():
                continue
            over = neighbours[each.input_token] & neighbours[each.output_token]
            direct |= dict.fromkeys(keys_of(wallet, [mints[each.input_token], mints[each.output_token]]))
            between |= dict.fromkeys(keys_of(wallet, [mints[symbol] for symbol in sorted(over)]))
        keys = [*(direct | between)][:ACCOUNTS_MAX]
        if not keys:
            return ()
        at_s = self._monotonic_s()

        def take(_: int, answers: Sequence[Any]) -> None:
            try:
                self._keep(at_s, keys, _accounts(answers[0], len(keys)))
            except NodeError as error:
                logger.info("wallets not read ahead", reason=str(error))

        return [Beside([get_multiple_accounts(keys, newest_slot or None)], take)]

    def held(
        self,
        planned: Sequence[PlannedSpend],
        *,
        beside: Sequence[Beside] = (),
        anew_without: Collection[int] | None = None,
    ) -> WalletsHeld:
        """Return what each wallet's authority and owner hold.

        Args:
            beside: Asked in the same request, if there is one.
            anew_without: Read all of it, whatever is known, from another node than those at these places.

        Raises:
            NodeError: What had to be read was not answered in time.
        """
        wanted: dict[TradingWallet, dict[Pubkey, Mint]] = {}
        for _, wallet, mints in planned:
            wanted.setdefault(wallet, {}).update({mint.key: mint for mint in mints})
        keys = [
            *dict.fromkeys(
                key for wallet, found in wanted.items() for key in keys_of(wallet, [*found.values()])
            )
        ]
        known = self._known(keys) if anew_without is None else {}
        missing = [key for key in keys if key not in known]
        place = None
        if missing:
            place, read = self._read(missing, beside, anew_without or ())
            known |= read
        with self._lock:
            self._expected = ()
            if len(self._wallets) + len(planned) > _WALLETS_KEPT:
                self._wallets.clear()
            self._wallets.update((one.account_id, one.wallet) for one in planned)
        by_owner = {
            wallet.owner: holdings_of(wallet, [*found.values()], known) for wallet, found in wanted.items()
        }
        return WalletsHeld(by_owner, place if len(missing) == len(keys) else None)

    def forget(self) -> None:
        """Take nothing for true any more that was read before: something was sent."""
        with self._lock:
            self._reads, self._sent_at_s = {}, self._monotonic_s()

    def _known(self, keys: Sequence[Pubkey]) -> dict[Pubkey, Account | None]:
        with self._lock:
            since_s = self._monotonic_s() - HOLDS_S
            self._reads = {key: read for key, read in self._reads.items() if read.at_s >= since_s}
            return {key: self._reads[key].account for key in keys if key in self._reads}

    def _read(
        self, keys: Sequence[Pubkey], others: Sequence[Beside], without: Collection[int]
    ) -> tuple[int, dict[Pubkey, Account | None]]:
        groups = [keys[start : start + ACCOUNTS_MAX] for start in range(0, len(keys), ACCOUNTS_MAX)]
        calls = [get_multiple_accounts(some) for some in groups]

        def talk(ask: Ask, place: int) -> tuple[int, dict[Pubkey, Account | None]]:
            answers = ask.each([*calls, *calls_of(others)])
            hand_over(others, place, answers[len(calls) :])
            found: dict[Pubkey, Account | None] = {}
            for some, answer in zip(groups, answers[: len(calls)], strict=True):
                found.update(zip(some, _accounts(answer, len(some)), strict=True))
            return place, found

        at_s = self._monotonic_s()
        place, found = self._nodes.converse(talk, time_limit_s=self._time_limit_s, without=without)
        self._keep(at_s, [*found], [*found.values()])
        return place, found

    def _keep(self, at_s: float, keys: Sequence[Pubkey], accounts: Sequence[Account | None]) -> None:
        reads = {key: _Read(at_s, account) for key, account in zip(keys, accounts, strict=True)}
        with self._lock:
            if at_s >= self._sent_at_s:
                self._reads |= reads


def _accounts(answer: Any, count: int) -> Sequence[Account | None]:
    if isinstance(answer, NodeError):
        raise answer
    return accounts_at(answer, count).accounts


def _mints(book: Book) -> dict[str, Mint]:
    return {
        symbol: mint
        for pool in book.pools.values()
        for symbol, mint in zip(pool.tokens, pool.on_chain.mints, strict=True)
    }


def _neighbours(book: Book) -> Mapping[str, set[str]]:
    """Return what each token is traded against."""
    found: dict[str, set[str]] = {}
    for pool in book.pools.values():
        for one, other in (pool.tokens, pool.tokens[::-1]):
            found.setdefault(one, set()).add(other)
    return found
