"""Triggers: which price an order waits for, and what counts as having seen it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chalicelib.domain.errors import FieldError
from chalicelib.domain.rates import Rate, limit_rate, spelled_price
from chalicelib.domain.tokens import Token

CONFIRMATIONS_DEFAULT: Final = 2
"""So that a price which stands for one block only, as in a sandwich, fires no stop."""

CONFIRMATIONS_MAX: Final = 10
STOP_SLIPPAGE_BPS: Final = 2_000
"""What a stop tolerates unless told otherwise: to get out matters more than the price (Jupiter Trigger)."""


class When(StrEnum):
    """On which side of its price a trigger fires, as the client quotes prices."""

    ABOVE = "above"
    BELOW = "below"


class Direction(StrEnum):
    """On which side of its rate something is met, the rate being output per input."""

    AT_LEAST = "at_least"  # limits, take-profits: the trade has become good enough
    AT_MOST = "at_most"  # stops: it has become bad enough


class PriceSource(StrEnum):
    MARK = "mark"  # the median of the pair's pools, before fees
    EXECUTABLE = "executable"  # the all-in rate for the order's own size


class IfAlreadyMet(StrEnum):
    REFUSE = "refuse"
    EXECUTE = "execute"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What an order waits for.

    Attributes:
        price: As the client wrote it, in one spelling; shown, and never computed with.
        rate: The same, exactly, as output per input.
        direction: On which side of the rate it fires.
        confirmations: For how many blocks the mark must hold; 1 where the executable rate is looked at.
    """

    price: str
    when: When
    rate: Rate
    direction: Direction
    source: PriceSource
    confirmations: int
    if_already_met: IfAlreadyMet

    @property
    def is_stop(self) -> bool:
        """Whether it fires when the trade gets worse: a stop. If not, it is a take-profit."""
        return self.direction is Direction.AT_MOST

    def is_met_by(self, seen: Rate) -> bool:
        """Return whether a rate, output per input, fires it."""
        return is_met(self.direction, self.rate, seen)


def is_met(direction: Direction, wanted: Rate, seen: Rate) -> bool:
    """Return whether a rate is on the side of another that is waited for; equal ones are."""
    return seen.is_at_least(wanted) if direction is Direction.AT_LEAST else wanted.is_at_least(seen)


def trigger(
    *,
    price: str,
    when: When,
    source: PriceSource | None,
    confirmations: int | None,
    if_already_met: IfAlreadyMet | None,
    input_token: Token,
    output_token: Token,
    price_base: str,
) -> Trigger:
    """Return what the fields of a trigger mean for an order between two tokens.

    ``above`` and ``below`` are about the price as it is quoted: per the output token that is the inverse of
    the rate, so there ``above`` waits for the rate to fall.

    Raises:
        FieldError: They break a rule, or do not fit together.
    """
    source = source or PriceSource.MARK
    is_mark = source is PriceSource.MARK
    if confirmations is None:
        confirmations = CONFIRMATIONS_DEFAULT if is_mark else 1
    if not 1 <= confirmations <= CONFIRMATIONS_MAX:
        raise FieldError("trigger.confirmations", f"must be from 1 to {CONFIRMATIONS_MAX}")
    if not is_mark and confirmations > 1:
        raise FieldError(
            "trigger.confirmations",
            "goes with source mark: the executable rate is what the order gets at once",
        )
    is_per_input = price_base == input_token.symbol
    direction = Direction.AT_LEAST if (when is When.ABOVE) == is_per_input else Direction.AT_MOST
    return Trigger(
        price=spelled_price(price),
        when=when,
        rate=limit_rate(
            price,
            input_token=input_token,
            output_token=output_token,
            price_base=price_base,
            field="trigger.price",
        ),
        direction=direction,
        source=source,
        confirmations=confirmations,
        if_already_met=if_already_met or IfAlreadyMet.REFUSE,
    )
