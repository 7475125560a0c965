"""Reads the listed pools as of one slot: with the clock, in as few calls as their accounts need.

What a pool needs beside itself hardly changes, so it is remembered: normally one round of calls reads all.
A pool whose price has left the arrays that were read is read once more with the ones it is at now; one that
is refused is read again every time, since its bytes decide.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from chalicelib.adapters.solana.accounts import Account, Accounts, Unsupported, UnsupportedPoolError
from chalicelib.adapters.solana.beside import Beside, calls_of, hand_over
from chalicelib.adapters.solana.book import Book, BookPool
from chalicelib.adapters.solana.clock import ClockSysvar, clock_of
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.pool_reading import arrays_around, keys_beside, pool_at, tradable
from chalicelib.adapters.solana.programs import CLOCK_SYSVAR, ProgramIds
from chalicelib.adapters.solana.rpc_answers import AccountsAt, accounts_at
from chalicelib.adapters.solana.rpc_calls import ACCOUNTS_MAX, get_multiple_accounts
from chalicelib.adapters.solana.rpc_errors import MalformedResultError, NodeError
from chalicelib.adapters.solana.rpc_nodes import Ask, RpcNodes
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.domain.tokens import Tokens

SHARED_FOR_S: Final = 0.05
"""Venues that are asked side by side share one read; a slot is longer than that."""

STALE_AFTER_S: Final = 60
"""The chain's clock may run behind ours by so much: it is an estimate of its validators'."""

_ROUNDS_MAX: Final = 3


class StaleNodeError(NodeError):
    """A node shows the chain as it was a while ago, or before what we have seen of it."""


class _Read(NamedTuple):
    """Accounts as of one slot, with the clock of that slot."""

    clock: ClockSysvar
    accounts: Accounts


def _nothing_beside(_: Book | None, __: int) -> Sequence[Beside]:
    return ()


class PoolReader:
    """Reads all listed pools at once; safe to share between threads.

    Args:
        now_unix_s: Our own clock; a chain far behind it is not to be traded on.
        found: Returns pools to read beside the list; one that cannot be traded with is left out in silence.
        beside: Given the last book and the newest slot seen, returns what to ask in the same request.
    """

    def __init__(
        self,
        nodes: RpcNodes,
        ids: ProgramIds,
        listed: Sequence[ListedPool],
        tokens: Tokens,
        *,
        now_unix_s: Callable[[], float],
        time_limit_s: float,
        shared_for_s: float = SHARED_FOR_S,
        found: Callable[[], Sequence[ListedPool]] = tuple,
        beside: Callable[[Book | None, int], Sequence[Beside]] = _nothing_beside,
        monotonic_s: Callable[[], float] = monotonic,
    ) -> None:
        self._nodes, self._ids, self._listed, self._found = nodes, ids, listed, found
        self._beside = beside
        self._tokens = tokens
        self._mints = {token.symbol: pubkey(token.mint) for token in tokens}
        self._now_unix_s, self._monotonic_s = now_unix_s, monotonic_s
        self._time_limit_s, self._shared_for_s = time_limit_s, shared_for_s
        self._needs: dict[Pubkey, tuple[Pubkey, ...]] = {}
        self._one_at_a_time = Lock()
        self._book: Book | None = None
        self._every: tuple[ListedPool, ...] = ()
        self._read_at_s = 0.0
        self._newest_slot = 0

    @property
    def last(self) -> Book | None:
        """What was read last, however long ago."""
        return self._book

    def bin_step(self, pair: Pubkey) -> int | None:
        """Return the step of a DLMM pair, which never changes; None if no node shows it now."""
        try:
            book = self._book or self.read()
        except NodeError:
            return None
        for pool in book.pools.values():
            if pool.on_chain.key == pair and isinstance(pool.on_chain.state, DlmmPool):
                return pool.on_chain.state.parameters.bin_step
        return None

    def read(self) -> Book:
        """Return the pools as they are now, or were ``shared_for_s`` ago.

        Raises:
            NodeError: No node showed the chain of the present.
        """
        asked_at_s = self._monotonic_s()
        with self._one_at_a_time:
            every = (*self._listed, *self._found())
            is_shared = self._book is not None and asked_at_s - self._read_at_s < self._shared_for_s
            if self._book is None or not (is_shared and every == self._every):
                started_at_s = self._monotonic_s()
                try:
                    talk = partial(self._book_of, every, self._beside(self._book, self._newest_slot))
                    book = self._nodes.converse(talk, time_limit_s=self._time_limit_s)
                except NodeError:
                    # A node may have named a slot that there is not: no other node must be measured by it for
                    # good.
                    self._newest_slot = 0
                    raise
                self._book, self._read_at_s, self._every = book, started_at_s, every
                self._newest_slot = max(self._newest_slot, book.clock.slot)
            return self._book

    def recent(self, held_for_s: float) -> Book:
        """Return what was read last if that is not longer ago, else read.

        Raises:
            NodeError: As ``read``.
        """
        book, read_at_s = self._book, self._read_at_s
        if book is not None and self._monotonic_s() - read_at_s < held_for_s:
            return book
        return self.read()

    def _book_of(self, every: Sequence[ListedPool], beside: Sequence[Beside], ask: Ask, place: int) -> Book:
        if not every:
            (read,) = self._read(ask, [[]], beside, place)
            return Book(read.clock, {}, {})
        found: dict[Pubkey, _Read] = {}
        missing = list(every)
        for _round in range(_ROUNDS_MAX):
            groups = list(_groups(missing, self._keys))
            others = beside if not found else ()
            reads = self._read(ask, [[*self._keys_of(group)] for group in groups], others, place)
            for group, read in zip(groups, reads, strict=True):
                found.update((pool.key, read) for pool in group)
            missing = [pool for pool in missing if self._learn(pool, found[pool.key])]
            if not missing:
                break
        pools: dict[str, BookPool] = {}
        refused: dict[str, str] = {}
        for number, listed in enumerate(every):
            is_listed = number < len(self._listed)
            try:
                pools[listed.pool_id] = self._pool(listed, found[listed.key], is_listed=is_listed)
            except UnsupportedPoolError as error:
                if is_listed:
                    refused[listed.pool_id] = str(error)
        # The oldest of the clocks: no pool is older than that.
        return Book(min(read.clock for read in found.values()), pools, refused)

    def _keys(self, pool: ListedPool) -> tuple[Pubkey, ...]:
        return pool.key, *self._needs.get(pool.key, ())

    def _learn(self, pool: ListedPool, read: _Read) -> bool:
        """Remember what a pool needs, and return whether something of that was not read."""
        try:
            needs = keys_beside(self._ids, pool.key, read.accounts)
            # Few pools have an extension of their bitmap, which would name other arrays once it is read.
            needs = (*needs, *arrays_around(self._ids, pool.key, read.accounts))
        except (UnsupportedPoolError, ValueError):
            return False  # it is named when it is decoded
        self._needs[pool.key] = needs
        return not all(key in read.accounts for key in needs)

    def _keys_of(self, group: Sequence[ListedPool]) -> Iterable[Pubkey]:
        return dict.fromkeys(key for pool in group for key in self._keys(pool))

    def _read(
        self, ask: Ask, groups: Sequence[Sequence[Pubkey]], beside: Sequence[Beside], place: int
    ) -> list[_Read]:
        """Read groups of accounts, each as of one slot with its clock."""
        calls = [get_multiple_accounts([CLOCK_SYSVAR, *keys], self._newest_slot or None) for keys in groups]
        answers = ask.each([*calls, *calls_of(beside)])
        for answer in answers[: len(calls)]:
            if isinstance(answer, NodeError):
                raise answer
        reads = [
            self._as_read(accounts_at(answer, len(keys) + 1), keys)
            for keys, answer in zip(groups, answers[: len(calls)], strict=True)
        ]
        hand_over(beside, place, answers[len(calls) :])
        return reads

    def _as_read(self, answer: AccountsAt, keys: Sequence[Pubkey]) -> _Read:
        if answer.slot < self._newest_slot:
            raise StaleNodeError(f"slot {answer.slot}, and {self._newest_slot} was seen before")
        return _Read(self._clock(answer.accounts[0]), dict(zip(keys, answer.accounts[1:], strict=True)))

    def _clock(self, account: Account | None) -> ClockSysvar:
        try:
            clock = clock_of(account) if account is not None else None
        except ValueError as error:
            raise MalformedResultError(str(error)) from error
        if clock is None:
            raise MalformedResultError("there is no clock")
        behind_s = self._now_unix_s() - clock.unix_timestamp
        if behind_s > STALE_AFTER_S:
            raise StaleNodeError(f"the chain's clock is {behind_s:.0f} s behind ours")
        return clock

    def _mint_key(self, symbol: str) -> Pubkey:
        """Return a token's mint: one that is in no list is called by it."""
        return self._mints.get(symbol) or pubkey(symbol)

    def _pool(self, listed: ListedPool, read: _Read, *, is_listed: bool) -> BookPool:
        try:
            pool = pool_at(self._ids, listed.key, read.accounts, read.clock)
        except (KeyError, ValueError) as error:
            detail = f"{address_of(listed.key)}: {error!r:.80}"
            raise UnsupportedPoolError(Unsupported.IMPLAUSIBLE, detail) from error
        if tuple(mint.key for mint in pool.mints) != tuple(map(self._mint_key, listed.tokens)):
            raise UnsupportedPoolError(
                Unsupported.WRONG_POOL, f"it does not trade {' and '.join(listed.tokens)}"
            )
        for mint, symbol in zip(pool.mints, listed.tokens, strict=True):
            token = self._tokens.find(symbol)
            if token is not None and token.scale != mint.decimals:
                detail = f"the mint of {symbol} has {mint.decimals} decimals, the list says {token.scale}"
                raise UnsupportedPoolError(Unsupported.WRONG_DECIMALS, detail)
        state = tradable(pool, read.clock.epoch)
        return BookPool(listed.pool_id, listed.venue, listed.tokens, pool, state, is_listed)


def _groups(
    pools: Sequence[ListedPool], keys: Callable[[ListedPool], Sequence[Pubkey]]
) -> Iterator[list[ListedPool]]:
    """Yield pools in groups that one call can read whole, the clock with each."""
    group: list[ListedPool] = []
    asked: set[Pubkey] = {CLOCK_SYSVAR}
    for pool in pools:
        more = asked.union(keys(pool))
        if group and len(more) > ACCOUNTS_MAX:
            yield group
            group, more = [], {CLOCK_SYSVAR, *keys(pool)}
        group.append(pool)
        asked = more
    if group:
        yield group
