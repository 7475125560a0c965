"""The simulated market behind the ports: its chain, and its venues."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chalicelib.bootstrap.clients import Clients
from chalicelib.config import Settings
from chalicelib.domain.tokens import Tokens
from chalicelib.made_once import made_once
from chalicelib.services.ports import Clock

if TYPE_CHECKING:
    from chalicelib.adapters.simulated_market.fault_injection import FaultBoard
    from chalicelib.adapters.simulated_market.pool_cache import PoolCache
    from chalicelib.adapters.simulated_market.settings import MarketSettings
    from chalicelib.adapters.simulated_market.venue import LedgerPoolReader
    from chalicelib.services.ports import Chain, Mints, Venue
    from chalicelib.services.resting.ports import Openings, PriceReader

VENUES: Final = ("raydium", "meteora")


class SimulatedMarket:
    """Chain and venues of the ledger in Postgres."""

    def __init__(self, settings: Settings, clock: Clock, tokens: Tokens, clients: Clients) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = tokens
        self._clients = clients

    @made_once
    def chain(self) -> "Chain":
        from chalicelib.adapters.simulated_market.chain import MarketChain

        return MarketChain(
            self._clients.engine,
            lambda: self._clients.wallet_seed().encode(),
            self._tokens,
            self._market_settings,
            faults=self._faults,
            cache=self._pool_cache,
        )

    @made_once
    def venues(self) -> "Sequence[Venue]":
        from chalicelib.adapters.simulated_market.venue import MarketVenue

        return [
            MarketVenue(name, self._pool_reader, self._faults, self._clock, self._market_settings)
            for name in VENUES
        ]

    def require_key(self) -> None:
        """Raise ``ConfigurationError`` if there is no seed."""
        self._clients.wallet_seed()

    def height(self) -> int:
        """Return the latest block, which the pools come with. Raises ``RetryableError``."""
        return self.prices.read().height

    def check(self) -> None:
        """Raise ``RetryableError`` if there are no pools; the database is checked by itself."""
        from chalicelib.adapters.simulated_market.readiness import check_has_pools

        check_has_pools(self._clients.engine)

    @made_once
    def prices(self) -> "PriceReader":
        from chalicelib.adapters.simulated_market.prices import LedgerPrices

        return LedgerPrices(self._pool_reader, self._faults, [venue.name for venue in self.venues])

    @made_once
    def openings(self) -> "Openings":
        from chalicelib.adapters.simulated_market.launches import MarketOpenings

        return MarketOpenings(self._clients.engine)

    @made_once
    def mints(self) -> "Mints":
        from chalicelib.adapters.simulated_market.mints import MarketMints

        return MarketMints(self._clients.engine)

    @made_once
    def _pool_reader(self) -> "LedgerPoolReader":
        from chalicelib.adapters.simulated_market.venue import LedgerPoolReader

        return LedgerPoolReader(self._clients.engine, self._pool_cache)

    @made_once
    def _market_settings(self) -> "MarketSettings":
        from chalicelib.adapters.simulated_market.settings import MarketSettings

        return MarketSettings(
            quote_latency_ms=self._settings.quote_latency_ms,
            settlement_latency_ms=self._settings.settlement_latency_ms,
            is_faucet_on=self._settings.market_faucet,
        )

    @made_once
    def _faults(self) -> "FaultBoard":
        from chalicelib.adapters.simulated_market.fault_injection import FaultBoard

        return FaultBoard(self._clients.engine)

    @made_once
    def _pool_cache(self) -> "PoolCache":
        from chalicelib.adapters.simulated_market.pool_cache import PoolCache

        return PoolCache()
