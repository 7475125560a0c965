"""What pairs trade at: the prices that orders are compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.rates import Rate
from chalicelib.domain.tokens import TokenPair


@dataclass(frozen=True, slots=True)
class PairPrices:
    """The prices of a pair, all of them quote per base in base units.

    Attributes:
        mark: None without an open pool of any depth.
        sell: What the first unit of the base is paid over all routes, fees included.
        buy: What the first unit of the base costs.
    """

    pair: TokenPair
    pools: int
    mark: Rate | None
    sell: Rate | None
    buy: Rate | None


@dataclass(frozen=True, slots=True)
class MarketPrices:
    """All pairs for which there is a pool, at one moment.

    Attributes:
        height: Where the chain stood when it was asked, a moment after the venues.
        problems: Why venues are left out.
    """

    pairs: Sequence[PairPrices]
    at: datetime
    age_ms: int
    height: int
    problems: Mapping[str, str]
