"""Pools that are in no list: searched for on chain while sniper orders wait for their pairs, then kept.

What finds them writes them down, and every process reads them there, so the consumer that a firing reaches
knows the pool. They serve sniper orders alone: any stranger can make one, at any price.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from threading import Lock
from time import monotonic
from typing import Final

from sqlalchemy import Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.solana.discovery import discover
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.programs import ProgramIds
from chalicelib.adapters.solana.rpc_errors import NodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.tokens import Tokens
from chalicelib.domain.watches import DirectedPair
from chalicelib.logs import logger

KNOWN_FOR_S: Final = 0.5
"""What was read so recently is not read again: what is found fires at the next look, a second later."""

TRADED_FOR_S: Final = 3_600
"""Only young pools are what a sniper order waits for; older ones are looked up by name alone."""

KEPT_MAX: Final = 200
"""The newest: each costs some accounts more in every read of the pools."""

_WRITTEN_MAX: Final = 20
"""Of one search: a stranger who makes pools by the hundred crowds out no others at once."""

_JUDGED_MAX: Final = 50
"""Of one search; what is empty or not understood yet is looked at again by the next."""

_NEWEST: Final = text("""
SELECT address, venue, token_0, token_1,
    found_at > clock_timestamp() - :traded_for_s * interval '1 second' AS is_young
FROM found_pools ORDER BY found_at DESC, address LIMIT :most
""")
_KEEP: Final = text("""
INSERT INTO found_pools (address, venue, token_0, token_1) VALUES (:address, :venue, :token_0, :token_1)
ON CONFLICT DO NOTHING
""")


class FoundPools:
    """The table, and the search that fills it; safe to share between threads.

    Args:
        listed: Pools that need not be found.
        judge: Given pools that were found, returns those that can be traded with and opened lately, or are
            about to; and those that never will be what is waited for.
        every_s: A pair is searched for no more often.
    """

    def __init__(
        self,
        engine: Engine,
        nodes: RpcNodes,
        ids: ProgramIds,
        tokens: Tokens,
        listed: Collection[ListedPool],
        *,
        judge: Callable[[Sequence[ListedPool]], tuple[Sequence[ListedPool], Sequence[ListedPool]]],
        every_s: float,
        time_limit_s: float,
        monotonic_s: Callable[[], float] = monotonic,
    ) -> None:
        self._engine, self._nodes, self._ids, self._tokens = engine, nodes, ids, tokens
        self._listed = {pool.key for pool in listed}
        self._judge, self._every_s, self._time_limit_s = judge, every_s, time_limit_s
        self._monotonic_s = monotonic_s
        self._lock = Lock()
        self._known: dict[Pubkey, ListedPool] = {}
        self._young: tuple[ListedPool, ...] = ()
        self._read_at_s: float | None = None
        self._searched_at_s: dict[frozenset[str], float] = {}
        self._passed_over: set[Pubkey] = set()

    def young(self) -> tuple[ListedPool, ...]:
        """Return the pools that sniper orders may trade with, the newest first."""
        self._refresh()
        return self._young

    def named(self) -> dict[Pubkey, ListedPool]:
        """Return also those that were found longer ago, by address."""
        self._refresh()
        return self._known

    def search(self, pairs: Iterable[DirectedPair]) -> None:
        """Look on chain for new pools of the pairs that were not searched for lately; best effort.

        A pair with a token that is not listed is passed over: no list says which mint it is.
        """
        now_s = self._monotonic_s()
        for one, other in {frozenset(pair): pair for pair in pairs}.values():
            searched_at_s = self._searched_at_s.get(frozenset((one, other)))
            is_due = searched_at_s is None or now_s - searched_at_s >= self._every_s
            if is_due and one in self._tokens and other in self._tokens:
                self._searched_at_s[frozenset((one, other))] = now_s
                try:
                    self._keep(self._new(one, other))
                except (NodeError, RetryableError) as error:
                    logger.warning("pools not searched for", pair=f"{one}/{other}", reason=str(error))

    def _new(self, one: str, other: str) -> list[ListedPool]:
        pair = self._tokens[one], self._tokens[other]
        found = discover(self._nodes, self._ids, pair, time_limit_s=self._time_limit_s)
        known = self._listed | self.named().keys() | self._passed_over
        new = [each.listed for each in found if each.listed.key not in known]
        awaited, never = self._judge(new[:_JUDGED_MAX]) if new else ((), ())
        self._passed_over.update(pool.key for pool in never)
        return list(awaited[:_WRITTEN_MAX])

    def _keep(self, pools: list[ListedPool]) -> None:
        if not pools:
            return
        rows = [
            {
                "address": address_of(pool.key),
                "venue": pool.venue,
                "token_0": pool.tokens[0],
                "token_1": pool.tokens[1],
            }
            for pool in pools
        ]
        with translated_errors(), self._engine.begin() as connection:
            connection.execute(_KEEP, rows)
        self._read_at_s = None
        for pool in pools:
            logger.info("pool found", pool=pool.pool_id, venue=pool.venue, pair="/".join(pool.tokens))

    def _refresh(self) -> None:
        with self._lock:
            now_s = self._monotonic_s()
            if self._read_at_s is not None and now_s - self._read_at_s < KNOWN_FOR_S:
                return
            try:
                with translated_errors(), self._engine.connect() as connection:
                    rows = connection.execute(_NEWEST, {"traded_for_s": TRADED_FOR_S, "most": KEPT_MAX}).all()
            except RetryableError as error:
                # What is listed can be traded with all the same.
                logger.warning("found pools not read", reason=error.message)
                return
            found = [
                (
                    ListedPool(row.address, row.venue, pubkey(row.address), (row.token_0, row.token_1)),
                    row.is_young,
                )
                for row in rows
                if row.token_0 in self._tokens and row.token_1 in self._tokens
            ]
            self._known = {pool.key: pool for pool, _ in found}
            self._young = tuple(pool for pool, is_young in found if is_young and pool.key not in self._listed)
            self._read_at_s = now_s


class TradedKeys(Collection[Pubkey]):
    """The pools that a key of ours may trade with: those of the list, and those that were found."""

    def __init__(self, listed: Iterable[ListedPool], found: Callable[[], Collection[Pubkey]]) -> None:
        self._listed, self._found = {pool.key for pool in listed}, found

    def __contains__(self, key: object) -> bool:
        return key in self._listed or key in self._found()

    def __iter__(self) -> Iterator[Pubkey]:
        return iter(self._listed.union(self._found()))

    def __len__(self) -> int:
        return len(self._listed.union(self._found()))
