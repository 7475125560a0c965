"""The venues of the simulated market: whose pools stand at which state now."""

from collections.abc import Sequence
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from sqlalchemy import Engine

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.postgres.statements import Database, Statement
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.pool_cache import PoolCache, RecentBlock, Snapshot
from chalicelib.adapters.simulated_market.settings import MarketSettings
from chalicelib.domain.errors import RetryableError, VenueUnavailableError
from chalicelib.routing.firm_quotes import WantedSwap
from chalicelib.routing.plan import ForeseenSwap, RoutablePool
from chalicelib.services.ports import Clock, Offers

SHARED_FOR_S: Final = 0.005
"""Venues asked side by side share one read; so short an age is nothing beside a block."""

# The node names its newest block with every answer, so that no signer has to ask for one.
_CHANGED: Final = Statement("""
    SELECT market.height_at(market.now()) AS height, extract(epoch FROM genesis_at)::text AS genesis,
        floor(extract(epoch FROM market.now()) * 1000)::bigint AS moment_ms,
        (SELECT jsonb_agg(to_jsonb(changed))
         FROM market.changed_pools(CAST(:versions AS jsonb), :epoch) AS changed) AS pools
    FROM market.chain
""")


class SeenBlock(NamedTuple):
    """All pools in one block, and the Unix time of the chain then."""

    snapshot: Snapshot
    height: int
    now_s: int


class LedgerPoolReader:
    """Reads all pools in one statement, so that they are as of one moment; shared by all venues."""

    def __init__(self, engine: Engine, cache: PoolCache, *, shared_for_s: float = SHARED_FOR_S) -> None:
        self._database = Database(engine)
        self._cache = cache
        self._shared_for_s = shared_for_s
        self._one_at_a_time = Lock()
        self._read_at: float | None = None

    def on_plan(self, swaps: Sequence[ForeseenSwap]) -> None:
        """Keep the swaps of a plan on the pools that were read, for the landing of what comes of it."""
        self._cache.foreseen.note(swaps)

    def read(self) -> Snapshot:
        """Return the pools as they are now, or were ``shared_for_s`` ago."""
        asked_at = monotonic()
        with self._one_at_a_time:
            if self._read_at is None or asked_at - self._read_at >= self._shared_for_s:
                return self._read().snapshot
            return self._cache.snapshot

    def read_block(self) -> SeenBlock:
        """Return the pools as they are now, and in which block that is."""
        with self._one_at_a_time:
            return self._read()

    def _read(self) -> SeenBlock:
        started_at = monotonic()
        before = self._cache.snapshot
        asked = {"versions": before.versions_json, "epoch": before.epoch}
        (row,) = self._database.execute(_CHANGED, asked)
        snapshot = self._cache.snapshot = before.updated(row.pools or ())
        self._cache.block = RecentBlock(row.genesis, row.height, row.moment_ms, started_at)
        self._read_at = started_at
        return SeenBlock(snapshot, row.height, row.moment_ms // 1000)


class MarketVenue:
    """The port ``Venue`` for one venue of the market."""

    def __init__(
        self, name: str, reader: LedgerPoolReader, faults: FaultBoard, clock: Clock, settings: MarketSettings
    ) -> None:
        self._name = name
        self._reader = reader
        self._faults = faults
        self._clock = clock
        self._settings = settings

    @property
    def name(self) -> str:
        return self._name

    def offers(self, wanted: Sequence[WantedSwap]) -> Offers:
        """Return the venue's pools as they are now, after its latency."""
        del wanted  # pools are the same for all
        try:
            fault = self._faults.current().of_venue(self._name)
            self._take_time(fault.extra_latency_ms)
            if fault.is_down or self._faults.happens(fault.error_rate):
                raise VenueUnavailableError("no answer")
            with translated_errors():
                snapshot = self._reader.read()
        except RetryableError as error:
            raise VenueUnavailableError(error.message) from error
        return Offers(
            [
                RoutablePool(pool.pool_id, pool.venue, pool.tokens, pool.state)
                for pool in snapshot.pools.values()
                if pool.venue == self._name
            ],
            on_plan=self._reader.on_plan,
        )

    def _take_time(self, extra_ms: int) -> None:
        latency_s = self._faults.jittered_s(self._settings.quote_latency_ms) + extra_ms / 1000
        if latency_s:
            self._clock.sleep(latency_s)
