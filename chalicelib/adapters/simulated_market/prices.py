"""The market as the watcher of resting orders sees it: all pools of one block, without a venue's latency."""

from collections.abc import Sequence

from chalicelib.adapters.postgres.error_translation import translated_errors
from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
from chalicelib.routing.plan import RoutablePool
from chalicelib.services.resting.prices import Prices


class LedgerPrices:
    """``PriceReader`` on the market in Postgres. A venue that is down shows no prices."""

    def __init__(self, reader: LedgerPoolReader, faults: FaultBoard, venues: Sequence[str]) -> None:
        self._reader = reader
        self._faults = faults
        self._venues = venues

    def read(self) -> Prices:
        faults = self._faults.current()
        shown = {venue for venue in self._venues if not faults.of_venue(venue).is_down}
        with translated_errors():
            seen = self._reader.read_block()
        return Prices(
            [
                RoutablePool(pool.pool_id, pool.venue, pool.tokens, pool.state)
                for pool in seen.snapshot.pools.values()
                if pool.venue in shown
            ],
            seen.now_s,
            0,
            seen.height,
        )
