"""Openings of any market's pools, by what the pools themselves say of when they opened."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from threading import Thread
from types import MappingProxyType
from typing import Final

from chalicelib.amm.activation import ActivationType
from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import Pool, TransferFeePool
from chalicelib.domain.launches import Opening, SeenOpenings
from chalicelib.domain.tokens import NEW_MINT, is_mint
from chalicelib.domain.watches import DirectedPair
from chalicelib.logs import logger
from chalicelib.services.planning.venues import QuoteCollector
from chalicelib.services.ports import ChainTime

_NEVER_SAID: Final = 0

FORESEEN_S: Final = 86_400
"""What opens later than that is not told of yet: a stranger's pool may name the end of time."""


def _always() -> Mapping[str, datetime]:
    return MappingProxyType({})


Search = Callable[[Collection[DirectedPair]], None]


class SearchBeside:
    """A search that no look at the prices waits for, one at a time; a later look sees what it found.

    Nodes take seconds for it, and looks so far apart would leave gaps in the marks' history: no stop that
    wants more blocks than one would ever be confirmed while a sniper order waits.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._running: Thread | None = None

    def __call__(self, pairs: Collection[DirectedPair]) -> None:
        if self._running is None or not self._running.is_alive():
            # Not the executor's, which a process waits for at its end.
            self._running = Thread(target=self._run, args=(tuple(pairs),), name="search", daemon=True)
            self._running.start()

    def wait(self) -> None:
        """Return when nothing is searched for any more."""
        if self._running is not None:
            self._running.join()

    def _run(self, pairs: Collection[DirectedPair]) -> None:
        try:
            self._search(pairs)
        except Exception as error:  # noqa: BLE001  # the next look begins another
            logger.error("defect", exc_info=error, doing="searching for pools")


class VenueOpenings:
    """``Openings`` that asks the venues for their pools, and the chain for its height.

    A program keeps when a pool opens in seconds or slots: heights are reckoned from that with the length of
    a block, and within a second of its opening a pool counts as opened with the second's end. A pool that
    does not say when it opened is as old as the market.

    Args:
        search: Looks for pools of some pairs that no list has; the venues offer them from then on.
        found_at: Returns since when pools are known that no list has.
    """

    def __init__(
        self,
        quote_collector: QuoteCollector,
        height: Callable[[], int],
        search: Search | None = None,
        found_at: Callable[[], Mapping[str, datetime]] = _always,
    ) -> None:
        self._found_at = found_at
        self._quote_collector = quote_collector
        self._height = height
        self._search = search

    def seen(self, pairs: Collection[DirectedPair]) -> SeenOpenings:
        if self._search is not None:
            self._search(pairs)
        request = self._quote_collector.begin()
        height = self._height()
        answers = request.answers()
        now = answers.time
        wanted = {frozenset(pair) for pair in pairs}
        ages = {
            pool.pool_id: age
            for pool in answers.pools
            if not wanted.isdisjoint(pairs_met(pool.tokens))
            and (age := age_s(pool.state, now)) is not None
            and age >= -FORESEEN_S
        }
        found_at = self._found_at()
        return SeenOpenings(
            height,
            {
                pool_id: Opening(
                    max(0, height - round(age / now.block_s)),
                    datetime.fromtimestamp(now.unix_s - age + 1, UTC),
                    found_at.get(pool_id),
                )
                for pool_id, age in ages.items()
            },
        )


def pairs_met(tokens: tuple[str, str]) -> set[frozenset[str]]:
    """Return the pairs that a pool opens: its own, and that of any new mint if it has one."""
    own = frozenset(tokens)
    return {own, *(own - {mint} | {NEW_MINT} for mint in filter(is_mint, tokens))}


def age_s(pool: Pool, now: ChainTime) -> float | None:
    """Return for how many seconds a pool has been open, below 0 until it is; None if it does not say."""
    if isinstance(pool, TransferFeePool):
        return age_s(pool.inner, now)
    if isinstance(pool, (DlmmPool, DammV2Pool)):
        point, counted = pool.activation_point, pool.activation_type
    else:
        point, counted = pool.open_time_s, ActivationType.TIMESTAMP
    passed = counted.point_at(now.unix_s, now.slot) - point
    if point == _NEVER_SAID:
        return None
    return passed * now.block_s if counted is ActivationType.SLOT else float(passed)
