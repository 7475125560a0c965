"""The part of the wiring that stands for venues and chain: one of two markets, as CHAIN says."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from chalicelib.adapters.time_left import time_left
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.simulated_market import SimulatedMarket
from chalicelib.config import ChainName, ConfigurationError, Settings
from chalicelib.domain.tokens import Tokens
from chalicelib.services.ports import Clock

if TYPE_CHECKING:
    from chalicelib.services.planning.venues import QuoteCollector
    from chalicelib.services.ports import Chain, Venue
    from chalicelib.services.resting.ports import PriceSource


class Market(Protocol):
    """What a market has to offer; each has a module of its own beside this one."""

    @property
    def chain(self) -> "Chain": ...

    @property
    def venues(self) -> "Sequence[Venue]": ...


_MARKETS: Final[Mapping[ChainName, Callable[[Settings, Clock, Tokens, Clients], Market]]] = {
    ChainName.SIMULATED: SimulatedMarket
}
"""The markets that are wired, each made of the settings, the clock, the tokens and the clients."""


class MarketPorts:
    """The chain that transactions are sent to, and the collector that asks the venues."""

    def __init__(self, settings: Settings, clock: Clock, tokens: Tokens, clients: Clients) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = clients
        check_wired(settings.chain)
        self._market = _MARKETS[settings.chain](settings, clock, tokens, clients)

    @property
    def chain(self) -> "Chain":
        return self._market.chain

    @property
    def venues(self) -> "Sequence[Venue]":
        return self._market.venues

    @cached_property
    def prices(self) -> "PriceSource":
        """What resting orders are compared with: the market's own word, or else the venues'."""
        if isinstance(self._market, SimulatedMarket):
            return self._market.prices
        from chalicelib.bootstrap.venue_prices import VenuePrices

        return VenuePrices(self.quote_collector, self.chain)

    @cached_property
    def quote_collector(self) -> "QuoteCollector":
        from chalicelib.services.planning.venues import QuoteCollector

        return QuoteCollector(
            self.venues,
            self._clients.executor,
            self._clock,
            time_limit_ms=self._settings.quote_time_limit_ms,
            valid_ms=self._settings.quote_valid_ms,
            within=time_left.for_work,
        )


def check_wired(chain: ChainName) -> None:
    """Refuse a market that nothing here stands for: orders for it would be accepted and never executed.

    Raises:
        ConfigurationError: It says what is missing.
    """
    if chain not in _MARKETS:
        raise ConfigurationError(
            f"CHAIN: {chain} cannot be used yet, since bootstrap/market.py wires no Chain and no Venue of it;"
            " adapters/solana reads and builds what the programs take, and no more. Use CHAIN=simulated"
        )
