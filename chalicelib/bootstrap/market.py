"""The part of the wiring that stands for venues and chain: one of two markets, as CHAIN says."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from chalicelib.adapters.time_left import time_left
from chalicelib.adapters.token_list import load_tokens
from chalicelib.bootstrap.clients import Clients
from chalicelib.bootstrap.simulated_market import SimulatedMarket
from chalicelib.bootstrap.solana_market import SolanaMarket
from chalicelib.config import ChainName, ConfigurationError, Settings
from chalicelib.domain.tokens import Tokens
from chalicelib.made_once import made_once
from chalicelib.services.ports import Clock

if TYPE_CHECKING:
    from chalicelib.adapters.postgres.servers import PostgresServers
    from chalicelib.domain.transactions import ChainHealth, SignedTransaction
    from chalicelib.services.consumer.write_ahead import Expecting
    from chalicelib.services.planning.venues import QuoteCollector
    from chalicelib.services.ports import Chain, LostTransactions, Mints, Venue
    from chalicelib.services.resting.ports import Openings, PriceReader


class MarketAdapters(Protocol):
    """What a market has to offer; each has a module of its own beside this one."""

    @property
    def chain(self) -> "Chain": ...

    @property
    def venues(self) -> "Sequence[Venue]": ...

    @property
    def mints(self) -> "Mints":
        """What is known of tokens that are not listed."""
        ...

    def require_key(self) -> None:
        """Raise ``ConfigurationError`` if there is no key to sign with."""
        ...

    def height(self) -> int:
        """Return the latest block, seen without a key that signs. Raises ``RetryableError``."""
        ...

    def check(self) -> "ChainHealth | None":
        """Return how the chain is, None if it is the database.

        Raise ``RetryableError`` if it cannot be used.
        """
        ...


_MARKETS: Final[Mapping[ChainName, Callable[[Settings, Clock, Tokens, Clients], MarketAdapters]]] = {
    ChainName.SIMULATED: SimulatedMarket,
    ChainName.SOLANA: SolanaMarket,
}
"""The markets that are wired, each made of the settings, the clock, the tokens and the clients."""


class MarketPorts:
    """The chain that transactions are sent to, and the collector that asks the venues."""

    def __init__(self, settings: Settings, clock: Clock, tokens: Tokens, clients: Clients) -> None:
        self._settings = settings
        self._clock = clock
        self._clients = clients
        self._market = _MARKETS[settings.chain](settings, clock, tokens, clients)

    @property
    def chain(self) -> "Chain":
        """The chain for who signs. Raises ``ConfigurationError`` at once if there is no key to sign with."""
        self._market.require_key()
        return self._market.chain

    @property
    def keyless_chain(self) -> "Chain":
        """The chain for who sends again what was signed, and looks: the key is not asked for."""
        return self._market.chain

    @property
    def expecting(self) -> "Expecting":
        """What is told of the orders that venues are about to be asked for."""
        from chalicelib.services.consumer.write_ahead import not_expected

        return self._market.expect if isinstance(self._market, SolanaMarket) else not_expected

    @property
    def lost_transactions(self) -> "LostTransactions | None":
        """Where what executed is found that the record may have lost; None where there is no such thing.

        The simulated market's ledger is a part of the record.
        """
        return self._market.lost_transactions if isinstance(self._market, SolanaMarket) else None

    def may_have_executed(self) -> bool:
        """Return whether there is something to look up, as a function finds it that may not read the key.

        Raises ``RetryableError`` if the record does not tell.
        """
        return isinstance(self._market, SolanaMarket) and self._market.may_have_executed()

    def may_lack_later(self, transaction: "SignedTransaction") -> bool:
        """Return whether later transactions of an order may be missing in the record, likewise."""
        return isinstance(self._market, SolanaMarket) and self._market.may_lack_later(transaction)

    @property
    def is_beside_the_record(self) -> bool:
        """Whether orders execute where a record that is set back does not go back."""
        return isinstance(self._market, SolanaMarket)

    @property
    def servers(self) -> "PostgresServers | None":
        """Where the record is, of which a part may be missing there; None where that is no matter."""
        return self._market.servers if isinstance(self._market, SolanaMarket) else None

    def server(self) -> str:
        """Return where the record was found to be; empty if that is no matter."""
        return self._market.servers.believed() if isinstance(self._market, SolanaMarket) else ""

    @property
    def venues(self) -> "Sequence[Venue]":
        return self._market.venues

    def check(self) -> "ChainHealth | None":
        """Return how the chain is, None if it is the database.

        Raise ``RetryableError`` if it cannot be used.
        """
        return self._market.check()

    @made_once
    def prices(self) -> "PriceReader":
        """What resting orders are compared with: the market's own word, or else the venues'."""
        if isinstance(self._market, SimulatedMarket):
            return self._market.prices
        from chalicelib.bootstrap.venue_prices import VenuePrices

        return VenuePrices(self.quote_collector, self.height)

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        """``Mints`` of the market, which is reached for only if one is asked for."""
        return self._market.mints.decimals(mints)

    def height(self) -> int:
        """Return the chain's latest block, as a function finds it that may not read the key that signs.

        Raises ``RetryableError``.
        """
        return self._market.height()

    @made_once
    def openings(self) -> "Openings":
        """Where the pools are seen to open that sniper orders wait for."""
        if isinstance(self._market, SimulatedMarket):
            return self._market.openings
        from chalicelib.bootstrap.venue_openings import VenueOpenings

        found = self._market.found if isinstance(self._market, SolanaMarket) else None
        if found is None:
            return VenueOpenings(self.quote_collector, self.height)
        return VenueOpenings(self.quote_collector, self.height, found_at=found.found_at)

    @made_once
    def searched_openings(self) -> "Openings":
        """The same, and new pools are searched for: by what looks each second, and by nothing else."""
        if not isinstance(self._market, SolanaMarket) or self._market.found is None:
            return self.openings
        from chalicelib.bootstrap.venue_openings import SearchBeside, VenueOpenings

        found = self._market.found
        return VenueOpenings(self.quote_collector, self.height, SearchBeside(found.search), found.found_at)

    @made_once
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


def traded_tokens(settings: Settings) -> Tokens:
    """Return the tokens that the settings name.

    Raises:
        ConfigurationError: Their file cannot be used.
    """
    path = settings.tokens_file
    try:
        return load_tokens(Path(path)) if path else load_tokens()
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"TOKENS_FILE: {path}: {error}") from error


def check_market(settings: Settings, tokens: Callable[[], Tokens]) -> None:
    """Refuse settings that no market can trade with: orders would be accepted and never executed.

    Raises:
        ConfigurationError: It says what is missing.
    """
    if settings.chain is ChainName.SOLANA:
        from chalicelib.bootstrap.solana_settings import check_solana

        check_solana(settings, tokens())
