"""Sniper orders: which opening of a pool they buy, and why they leave one alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from chalicelib.domain.amounts import BPS_PER_UNIT
from chalicelib.domain.errors import FieldError
from chalicelib.domain.swap_mode import SwapMode

DELAY_BLOCKS_MAX: Final = 1_000_000

SNIPER_VENUES: Final = frozenset({"meteora", "raydium"})
"""Where a pool may open: the venues whose programs are modelled, on either market. An order for another one
would rest until it is canceled."""

_RATE_PER_BPS: Final = 100_000  # fee rates are in parts per 10^9, as the programs have them


class Filter(StrEnum):
    """What a launch can fail, by the field's name on the wire."""

    VENUE = "venue"
    MIN_LIQUIDITY = "minLiquidity"
    MAX_FEE = "maxFeeBps"
    MAX_DELAY = "maxDelayBlocks"
    DECIMALS = "decimals"


@dataclass(frozen=True, slots=True)
class Sniper:
    """What a client says of the pool that a sniper order waits for; None leaves it open.

    Attributes:
        min_liquidity_units: The least that the pool holds of the order's input token, in base units.
        max_fee_bps: The most that the first unit in may pay as a fee.
        max_delay_blocks: How many blocks after the opening the order may still be sent.
    """

    venue: str | None = None
    min_liquidity_units: int | None = None
    max_fee_bps: int | None = None
    max_delay_blocks: int | None = None

    def __post_init__(self) -> None:
        assert self.min_liquidity_units is None or self.min_liquidity_units > 0
        if self.max_fee_bps is not None and not 0 <= self.max_fee_bps <= BPS_PER_UNIT:
            raise FieldError("sniper.maxFeeBps", f"must be from 0 to {BPS_PER_UNIT}")
        if self.max_delay_blocks is not None and not 0 <= self.max_delay_blocks <= DELAY_BLOCKS_MAX:
            raise FieldError("sniper.maxDelayBlocks", f"must be from 0 to {DELAY_BLOCKS_MAX}")


@dataclass(frozen=True, slots=True)
class Opening:
    """When a pool began to trade: at which height of the chain, and by our clock.

    Attributes:
        found_at: Since when the market knows of the pool; None if it did before it opened.
    """

    height: int
    at: datetime
    found_at: datetime | None = None

    @property
    def noticed_at(self) -> datetime:
        """Since when what waits for it can be told: whichever of the two came later."""
        return self.at if self.found_at is None else max(self.at, self.found_at)


@dataclass(frozen=True, slots=True)
class SeenOpenings:
    """The pools that have opened or are about to, and where the chain stood when that was asked.

    Attributes:
        by_pool: Without those that are as old as the market.
    """

    height: int
    by_pool: Mapping[str, Opening]


@dataclass(frozen=True, slots=True)
class Launch:
    """A pool of the pair, as it is at a height.

    Attributes:
        opened_height: Where trading opened.
        height: Where the chain stands.
        liquidity_units: What the pool holds of the order's input token, in base units.
        fee_rate: That a first unit in pays now, in parts per 10^9.
        is_open: Whether the program lets traders use it.
    """

    pool_id: str
    venue: str
    opened_height: int
    height: int
    liquidity_units: int
    fee_rate: int
    is_open: bool = True


class LaunchDecision(StrEnum):
    BUY = "buy"
    WAIT = "wait"  # it may pass later
    REFUSED = "refused"  # it never will


@dataclass(frozen=True, slots=True)
class LaunchJudgement:
    """What is to be done about a launch, and which filter says so; None if it passes all."""

    decision: LaunchDecision
    filter: Filter | None = None


def check_sniper_mode(mode: SwapMode) -> None:
    """Refuse a sniper order that names what it wants rather than what it gives.

    Raises:
        FieldError: It is exact out.
    """
    if mode is not SwapMode.EXACT_IN:
        raise FieldError("swapMode", "must be exactIn for a sniper order: it names what it gives")


def judge(sniper: Sniper, launch: Launch) -> LaunchJudgement:
    """Return whether an order buys from a pool now, later, or never.

    A pool's venue and age never change for the better, and neither is its liquidity waited for: what opens
    too thin is not what was asked for. A fee may come down while there are blocks left.
    """
    if sniper.venue is not None and launch.venue != sniper.venue:
        return LaunchJudgement(LaunchDecision.REFUSED, Filter.VENUE)
    if not launch.is_open or launch.height < launch.opened_height:
        return LaunchJudgement(LaunchDecision.WAIT)
    age = launch.height - launch.opened_height
    if sniper.max_delay_blocks is not None and age > sniper.max_delay_blocks:
        return LaunchJudgement(LaunchDecision.REFUSED, Filter.MAX_DELAY)
    if sniper.min_liquidity_units is not None and launch.liquidity_units < sniper.min_liquidity_units:
        return LaunchJudgement(LaunchDecision.REFUSED, Filter.MIN_LIQUIDITY)
    if sniper.max_fee_bps is not None and launch.fee_rate > sniper.max_fee_bps * _RATE_PER_BPS:
        return LaunchJudgement(LaunchDecision.WAIT, Filter.MAX_FEE)
    return LaunchJudgement(LaunchDecision.BUY)
