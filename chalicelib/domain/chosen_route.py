"""Every venue asked for a swap, and the route that was chosen: what a client is shown of a plan."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from chalicelib.values import value

FeeUnits = Mapping[str, int]
"""Fee by token symbol, in base units."""


@value
class PoolQuote:
    """What one pool alone would do for the whole swap, in base units.

    Attributes:
        price_impact_bps: Of the swap's own size, fees aside; a decimal with two places.
    """

    venue: str
    pool_id: str
    input_units: int
    output_units: int
    fees: FeeUnits
    price_impact_bps: str


@value
class VenueRefusal:
    """Why a venue has no quote for the whole swap; or why one pool of the pair is not traded with."""

    venue: str
    problem: str
    pool_id: str | None = None


class RefusedPool(NamedTuple):
    """A pool that a venue has and that is not traded with, and why."""

    pool_id: str
    tokens: tuple[str, str]
    problem: str


@value
class RouteLeg:
    """One pool's part of the route, in base units of the leg's own tokens.

    Attributes:
        price_impact_bps: Of the leg alone, fees aside; a decimal with two places.
    """

    venue: str
    pool_id: str
    input_token: str
    output_token: str
    input_units: int
    output_units: int
    share_bps: int
    price_impact_bps: str


@value
class ChosenRoute:
    """The best route that was found, and what it is better than; amounts in base units.

    Attributes:
        price_base: The token that its price is per, one of the two.
        quotes: One per venue that was asked: its best pool, or why it has none; then the pools of the pair
            that are not traded with.
        quotes_valid_until: Past this moment the venues' answers are not to be traded on.
        price_impact_bps: A decimal with two places.
        gap_bps: How far from the best route this one can be at most.
        improvement_bps: Over ``best_single``; None without one.
    """

    input_token: str
    output_token: str
    price_base: str
    quotes: tuple[PoolQuote | VenueRefusal, ...]
    quotes_valid_until: datetime
    input_units: int
    output_units: int
    fees: FeeUnits
    price_impact_bps: str
    legs: tuple[RouteLeg, ...]
    gap_bps: Decimal
    best_single: PoolQuote | None
    improvement_bps: Decimal | None
