"""Pools that are in no list: searched for on chain while sniper orders wait for their pairs, then kept.

What finds them writes them down, and every process reads them there, so the consumer that a firing reaches
knows the pool. They serve sniper orders alone, and orders that name a mint which is in no list: any stranger
can make one, at any price.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, text

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.watches import WATCHED
from chalicelib.adapters.solana.discovery import FoundPool, discover
from chalicelib.adapters.solana.keys import Pubkey, address_of, pubkey
from chalicelib.adapters.solana.pool_list import ListedPool
from chalicelib.adapters.solana.programs import ProgramIds
from chalicelib.adapters.solana.rpc_errors import NodeError, SilentNodeError
from chalicelib.adapters.solana.rpc_nodes import RpcNodes
from chalicelib.domain.errors import RetryableError
from chalicelib.domain.tokens import NEW_MINT, Token, Tokens, is_mint
from chalicelib.domain.watches import BY_LAUNCH, DirectedPair
from chalicelib.logs import logger

KNOWN_FOR_S: Final = 0.5
"""What was read so recently is not read again: what is found fires at the next look, a second later."""

TRADED_FOR_S: Final = 3_600
"""Only young pools are what a sniper order waits for; older ones are looked up by name alone."""

KEPT_MAX: Final = 200
"""The newest: each costs some accounts more in every read of the pools."""

_WRITTEN_MAX: Final = 20
"""Of one search: a stranger who makes pools by the hundred crowds out no others at once."""

JUDGED_MAX: Final = 50
"""Of one search; what is empty or not understood yet is looked at again by the next."""

MINTS_AT_ONCE: Final = 5
"""Of those that are in no list, and are waited for with a token: each is a search of its own."""

SEARCHED_FOR_S: Final = 2.0
"""In one round: after that no search begins, and those left come first in the next."""

SINGLY_FOR_S: Final = 600.0
"""A node that did not answer eight searches at once in time is asked one at a time for so long."""

NAMED_FOR_S: Final = 600.0
_NAMED_MAX: Final = 100
"""Pools of a mint that an order or a quote has named so lately are read whatever their age."""

_ORDERS_LOOKED_AT: Final = 1_000
"""The newest that wait for a pool of a mint in no list: what they wait for is searched for."""

_ORDERS_LOOKED_AT_AT_TIMES: Final = 20_000
"""More than one account may have. That many take a quarter of a second."""

_AT_TIMES_S: Final = 30.0

_MINTS_OF_AN_ACCOUNT: Final = 100
"""The newest that an account waits for with a token; the others come when those have been found."""

_COLUMNS: Final = "address, venue, token_0, token_1"

# Those found lately; and of the mints that orders name, or that what rests is waiting for, all. Each mint is
# looked up by itself: to go through what was ever found takes longer and longer.
_NEWEST: Final = text(f"""
WITH RECURSIVE {WATCHED}, asked AS (
    SELECT unnest(CAST(:named AS text[])) AS mint
    UNION
    SELECT token FROM watched JOIN watch_pairs AS p USING (pair_id)
    CROSS JOIN LATERAL (VALUES (p.input_token), (p.output_token)) AS ends (token)
    WHERE length(token) >= 32
)
(SELECT {_COLUMNS}, found_at > clock_timestamp() - :traded_for_s * interval '1 second' AS is_offered, found_at
 FROM found_pools ORDER BY found_at DESC, address LIMIT :most)
UNION ALL
(SELECT DISTINCT {_COLUMNS}, true, found_at FROM asked CROSS JOIN LATERAL (
    (SELECT {_COLUMNS}, found_at FROM found_pools WHERE token_0 = asked.mint OFFSET 0)
    UNION ALL
    (SELECT {_COLUMNS}, found_at FROM found_pools WHERE token_1 = asked.mint OFFSET 0)
 ) AS its ORDER BY found_at DESC, address LIMIT :most)
ORDER BY found_at DESC, address
""")
_KEEP: Final = text("""
INSERT INTO found_pools (address, venue, token_0, token_1, decimals_0, decimals_1)
VALUES (:address, :venue, :token_0, :token_1, :decimals_0, :decimals_1)
ON CONFLICT DO NOTHING
""")
_AWAITED: Final = text(f"""
SELECT account_id, mint FROM (
    SELECT o.account_id, o.output_token AS mint,
        row_number() OVER (PARTITION BY o.account_id ORDER BY max(wake_key) DESC, o.output_token) AS place
    FROM (
        SELECT w.order_id, w.wake_key FROM watches AS w JOIN watch_pairs AS p USING (pair_id)
        WHERE w.armed AND w.direction = 'at_least' AND w.look = {BY_LAUNCH}
          AND p.input_token = :input_token AND p.output_token = '{NEW_MINT}'
        ORDER BY w.wake_key DESC LIMIT :most
    ) AS newest JOIN orders AS o USING (order_id)
    GROUP BY o.account_id, o.output_token
) AS awaited WHERE place <= {_MINTS_OF_AN_ACCOUNT}
""")
_SCALES: Final = text("""
SELECT mint, min(decimals) AS decimals FROM (
    SELECT token_0, decimals_0 FROM found_pools UNION ALL SELECT token_1, decimals_1 FROM found_pools
) AS told (mint, decimals)
WHERE length(mint) >= 32 GROUP BY mint HAVING min(decimals) = max(decimals)
""")
_DECIMALS: Final = text("""
SELECT mint, min(decimals) AS decimals FROM (
    SELECT token_0, decimals_0 FROM found_pools WHERE token_0 = ANY(:mints)
    UNION ALL
    SELECT token_1, decimals_1 FROM found_pools WHERE token_1 = ANY(:mints)
) AS told (mint, decimals)
GROUP BY mint HAVING min(decimals) = max(decimals)
""")


class JudgedPool(NamedTuple):
    """A pool that was found and may be what an order waits for, with its tokens' decimals."""

    listed: ListedPool
    decimals: tuple[int, int]


def found_mint_scales(connection: Connection) -> dict[str, int]:
    """Return the decimals of all mints in no list of which pools were found, as ``FoundPools.decimals``."""
    return {row.mint: row.decimals for row in connection.execute(_SCALES)}


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
        judge: Callable[[Sequence[ListedPool]], tuple[Sequence[JudgedPool], Sequence[ListedPool]]],
        every_s: float,
        time_limit_s: float,
    ) -> None:
        self._engine, self._nodes, self._ids, self._tokens = engine, nodes, ids, tokens
        self._listed = {pool.key for pool in listed}
        self._judge, self._every_s, self._time_limit_s = judge, every_s, time_limit_s
        self._lock = Lock()
        self._known: dict[Pubkey, ListedPool] = {}
        self._offered: tuple[ListedPool, ...] = ()
        self._found_at: dict[str, datetime] = {}
        self._judged_at_s: dict[Pubkey, float] = {}
        self._named_at_s: dict[str, float] = {}
        self._singly_until_s = 0.0
        self._read_at_s: float | None = None
        self._searched_at_s: dict[frozenset[str], float] = {}
        self._waiting_of_old: dict[str, tuple[float, Sequence[tuple[str, str]]]] = {}
        self._passed_over: set[Pubkey] = set()

    def offered(self) -> tuple[ListedPool, ...]:
        """Return the pools that were found lately, or are of a mint that orders name, the newest first."""
        self._refresh()
        return self._offered

    def name(self, tokens: Iterable[str]) -> None:
        """Have the pools of mints offered that are in no list, for an order or a quote that names them."""
        mints = [token for token in tokens if token not in self._tokens and is_mint(token)]
        if not mints:
            return
        with self._lock:
            now_s = monotonic()
            if not self._named_at_s.keys() >= set(mints):
                self._read_at_s = None
            self._named_at_s |= dict.fromkeys(mints, now_s)
            newest = sorted(self._named_at_s.items(), key=lambda each: -each[1])[:_NAMED_MAX]
            self._named_at_s = {mint: at_s for mint, at_s in newest if now_s - at_s < NAMED_FOR_S}

    def decimals(self, mints: Collection[str]) -> dict[str, int]:
        """Return how many decimals each mint has of which a pool was found. The port ``Mints``.

        Two pools that say differently say nothing: a node was wrong.
        """
        with translated_errors(), self._engine.connect() as connection:
            rows = connection.execute(_DECIMALS, {"mints": sorted(mints)})
            return {row.mint: row.decimals for row in rows}

    def named(self) -> dict[Pubkey, ListedPool]:
        """Return also those that were found longer ago, by address."""
        self._refresh()
        return self._known

    def found_at(self) -> Mapping[str, datetime]:
        """Return since when each of ``named`` is known, by its id."""
        self._refresh()
        return self._found_at

    def search(self, pairs: Iterable[DirectedPair]) -> None:
        """Look on chain for new pools of the pairs that were not searched for lately; best effort.

        Where any new mint is waited for, those that the newest orders name are searched for, some at a time.
        No search begins after ``SEARCHED_FOR_S``: what orders wait for by now may be something else.
        """
        began_s = monotonic()
        due: dict[frozenset[str], tuple[str, str]] = {}
        for one, other in pairs:
            try:
                for each in [other] if other != NEW_MINT else self._awaited(one, began_s):
                    if self._is_due(one, each, began_s):
                        due[frozenset((one, each))] = one, each
            except RetryableError as error:
                logger.warning("pools not searched for", pair=f"{one}/{other}", reason=error.message)
        for pair in sorted(due, key=lambda pair: self._searched_at_s.get(pair, 0.0)):
            one, other = due[pair]
            now_s = monotonic()
            if now_s - began_s >= SEARCHED_FOR_S:
                return
            self._searched_at_s[pair] = now_s
            try:
                self._keep(self._new(one, other))
            except (NodeError, RetryableError) as error:
                logger.warning("pools not searched for", pair=f"{one}/{other}", reason=str(error))

    def _is_due(self, one: str, other: str, now_s: float) -> bool:
        searched_at_s = self._searched_at_s.get(frozenset((one, other)))
        is_known = all(token in self._tokens or is_mint(token) for token in (one, other))
        return is_known and (searched_at_s is None or now_s - searched_at_s >= self._every_s)

    def _awaited(self, input_token: str, now_s: float) -> list[str]:
        """Return mints that orders wait for with a token, those first that were not searched for longest.

        Accounts take turns: however many mints one waits for, it keeps no other one waiting.
        """
        awaited = self._waiting(input_token, now_s)

        def searched_at_s(mint: str) -> float:
            return self._searched_at_s.get(frozenset((input_token, mint)), 0.0)

        places: dict[str, int] = {}
        before: Counter[str] = Counter()
        for account_id, mint in sorted(awaited, key=lambda each: searched_at_s(each[1])):
            places[mint] = min(places.get(mint, before[account_id]), before[account_id])
            before[account_id] += 1
        due = [mint for mint in places if self._is_due(input_token, mint, now_s)]
        return sorted(due, key=lambda mint: (places[mint], searched_at_s(mint)))[:MINTS_AT_ONCE]

    def _waiting(self, input_token: str, now_s: float) -> Sequence[tuple[str, str]]:
        """Return accounts, and mints that they wait for with a token."""
        looked_at_s, known = self._waiting_of_old.get(input_token, (None, ()))
        is_time = looked_at_s is None or now_s - looked_at_s >= _AT_TIMES_S
        asked = {
            "input_token": input_token,
            "most": _ORDERS_LOOKED_AT_AT_TIMES if is_time else _ORDERS_LOOKED_AT,
        }
        with translated_errors(), self._engine.connect() as connection:
            found = [(row.account_id, row.mint) for row in connection.execute(_AWAITED, asked)]
        if is_time:
            self._waiting_of_old[input_token] = now_s, found
            return found
        return [*dict.fromkeys([*found, *known])]

    def _new(self, one: str, other: str) -> list[JudgedPool]:
        first, second = (self._tokens.listed_or_new(token, 0) for token in (one, other))
        found = self._discovered((first, second))
        known = self._listed | self.named().keys() | self._passed_over
        new = [each.listed for each in found if each.listed.key not in known]
        # However many a stranger makes that stay to be judged, they come after those that never were.
        new.sort(key=lambda pool: self._judged_at_s.get(pool.key, 0.0))
        judged = new[:JUDGED_MAX]
        self._judged_at_s |= dict.fromkeys((pool.key for pool in judged), monotonic())
        awaited, never = self._judge(judged) if judged else ((), ())
        self._passed_over.update(pool.key for pool in never)
        return list(awaited[:_WRITTEN_MAX])

    def _discovered(self, pair: tuple[Token, Token]) -> tuple[FoundPool, ...]:
        if monotonic() >= self._singly_until_s:
            try:
                return discover(
                    self._nodes, self._ids, pair, time_limit_s=self._time_limit_s, is_together=True
                )
            except SilentNodeError as error:
                # It is left alone for a moment: the next search asks so.
                logger.info("pools searched for one kind at a time", reason=str(error))
                self._singly_until_s = monotonic() + SINGLY_FOR_S
                raise
        return discover(self._nodes, self._ids, pair, time_limit_s=self._time_limit_s)

    def _keep(self, pools: list[JudgedPool]) -> None:
        if not pools:
            return
        rows = [
            {
                "address": address_of(pool.key),
                "venue": pool.venue,
                "token_0": pool.tokens[0],
                "token_1": pool.tokens[1],
                "decimals_0": decimals[0],
                "decimals_1": decimals[1],
            }
            for pool, decimals in pools
        ]
        with translated_errors(), self._engine.begin() as connection:
            connection.execute(_KEEP, rows)
        self._read_at_s = None
        for pool, _ in pools:
            logger.info("pool found", pool=pool.pool_id, venue=pool.venue, pair="/".join(pool.tokens))

    def _refresh(self) -> None:
        with self._lock:
            now_s = monotonic()
            if self._read_at_s is not None and now_s - self._read_at_s < KNOWN_FOR_S:
                return
            try:
                with translated_errors(), self._engine.connect() as connection:
                    asked = {"traded_for_s": TRADED_FOR_S, "most": KEPT_MAX, "named": [*self._named_at_s]}
                    rows = connection.execute(_NEWEST, asked).all()
            except RetryableError as error:
                # What is listed can be traded with all the same.
                logger.warning("found pools not read", reason=error.message)
                return
            found = [
                (
                    ListedPool(row.address, row.venue, pubkey(row.address), (row.token_0, row.token_1)),
                    row.is_offered,
                )
                for row in rows
                if all(token in self._tokens or is_mint(token) for token in (row.token_0, row.token_1))
            ]
            self._known = {pool.key: pool for pool, _ in found}
            self._found_at = {row.address: row.found_at for row in rows}
            offered = dict.fromkeys(pool for pool, is_offered in found if is_offered)
            self._offered = tuple(pool for pool in offered if pool.key not in self._listed)
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
