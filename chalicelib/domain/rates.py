"""A limit price as what it is: an exact fraction of output per input, in base units.

A client says a price as a decimal, per either token of the pair. Turning it around in decimals would round,
and a bound that is rounded is another bound: so the decimal's digits become the two sides of a fraction, and
each amount that follows from it is rounded once, in the trader's favour.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Final

from chalicelib.domain.amounts import MAX_UNITS, ceil_div, format_units
from chalicelib.domain.errors import FieldError
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.tokens import Token

KEY_DIGITS: Final = 20
"""Of a rate's key in an index, which differs from the rate by less than 10^-19 of it."""

_KEY_DOWN: Final = Context(prec=KEY_DIGITS, rounding=ROUND_FLOOR)
_KEY_UP: Final = Context(prec=KEY_DIGITS, rounding=ROUND_CEILING)
_PLAIN_DECIMAL: Final = re.compile(r"(?P<whole>[0-9]{1,128})(?:\.(?P<part>[0-9]{1,128}))?")
_DIGITS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Rate:
    """Output per input in base units, as two positive integers; nothing of it is ever a quotient.

    Equal rates are equal objects only if both are in lowest terms, as all from ``of`` and ``limit_rate`` are.
    """

    output_units: int
    input_units: int

    def __post_init__(self) -> None:
        assert self.output_units > 0, "a rate pays something"
        assert self.input_units > 0, "a rate takes something"

    @classmethod
    def of(cls, output_units: int, input_units: int) -> "Rate":
        """Return the rate of two positive amounts, in lowest terms."""
        lowest = Fraction(output_units, input_units)
        return cls(lowest.numerator, lowest.denominator)

    def least_output(self, amount_in: int) -> int:
        """Return the least output that keeps the rate for an input: rounded up, so at least 1."""
        return ceil_div(amount_in * self.output_units, self.input_units)

    def most_input(self, amount_out: int) -> int:
        """Return the most input that keeps the rate for an output: rounded down, perhaps to 0."""
        return amount_out * self.input_units // self.output_units

    def is_kept_by(self, amount_in: int, amount_out: int) -> bool:
        """Return whether a trade of these amounts is no worse than the rate."""
        return amount_out * self.input_units >= amount_in * self.output_units

    def is_at_least(self, other: "Rate") -> bool:
        """Return whether this rate pays as much as another, or more."""
        return self.output_units * other.input_units >= other.output_units * self.input_units

    def inverse(self) -> "Rate":
        """Return the same price in the opposite direction, exactly."""
        return Rate(self.input_units, self.output_units)

    def key_down(self) -> Decimal:
        """Return the greatest key that is not above the rate."""
        return _KEY_DOWN.divide(Decimal(self.output_units), Decimal(self.input_units))

    def key_up(self) -> Decimal:
        """Return the least key that is not below the rate."""
        return _KEY_UP.divide(Decimal(self.output_units), Decimal(self.input_units))


def limit_rate(price: str, *, input_token: Token, output_token: Token, price_base: str, field: str) -> Rate:
    """Return the rate that a price in token units stands for, exactly.

    Args:
        price: A plain decimal: quote per base where the client named a base, else output per input.
        price_base: The symbol of the token that the price is per, one of the two.

    Raises:
        FieldError: Not a plain decimal (signs, exponents, NaN), zero, or of more digits than any price has.
    """
    found = _PLAIN_DECIMAL.fullmatch(price)
    if found is None:
        raise FieldError(field, "must be a plain positive decimal number, such as 155.25")
    whole, part = found["whole"].lstrip("0"), (found["part"] or "").rstrip("0")
    if max(len(whole), len(part)) > _DIGITS_MAX:
        problem = f"must have at most {_DIGITS_MAX} digits before the point and {_DIGITS_MAX} behind it"
        raise FieldError(field, problem)
    digits, shift = int(whole + part or "0"), 10 ** len(part)
    if digits == 0:
        raise FieldError(field, "must be greater than 0")
    one_in, one_out = 10**input_token.scale, 10**output_token.scale
    if price_base == input_token.symbol:
        return Rate.of(digits * one_out, shift * one_in)
    assert price_base == output_token.symbol, "a price is per one of the order's tokens"
    return Rate.of(shift * one_out, digits * one_in)


def spelled_price(price: str) -> str:
    """Return the one spelling of a price that ``limit_rate`` takes: equal prices are equal terms, as equal
    amounts are, so that an order which is repeated with 155.50 for 155.5 is the same order.
    """
    whole, _, part = price.partition(".")
    part = part.rstrip("0")
    return f"{whole.lstrip('0') or '0'}.{part}" if part else whole.lstrip("0") or "0"


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst that a transaction may do: the ledger, or the program, enforces it.

    Attributes:
        mode: Exact in bounds the output from below, exact out the input from above.
        units: Of the output (exact in) or the input (exact out).
    """

    mode: SwapMode
    units: int

    def is_kept_by(self, amount_in: int, amount_out: int) -> bool:
        """Return whether a trade of the order's amount stays within it."""
        return amount_out >= self.units if self.mode is SwapMode.EXACT_IN else amount_in <= self.units


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit order's price.

    Attributes:
        price: As the client wrote it, in one spelling; shown, and never computed with.
        rate: The same, exactly, as output per input: the worst that the order accepts.
    """

    price: str
    rate: Rate

    def bound(self, mode: SwapMode, amount_units: int) -> Bound:
        """Return what it means for an amount of the input (exact in) or the output (exact out)."""
        if mode is SwapMode.EXACT_IN:
            return Bound(mode, self.rate.least_output(amount_units))
        # More than an account can hold is no bound at all; the instruction's field is a u64.
        return Bound(mode, min(self.rate.most_input(amount_units), MAX_UNITS))

    def check(self, mode: SwapMode, amount_units: int, other_token: Token) -> None:
        """Refuse a limit that no trade of such an amount could keep.

        Args:
            other_token: The one whose amount the order leaves open.

        Raises:
            FieldError: It asks for more than a token account holds, or leaves less than one base unit to pay
                with.
        """
        if mode is SwapMode.EXACT_IN:
            if self.rate.least_output(amount_units) > MAX_UNITS:
                most = f"{format_units(MAX_UNITS, other_token.scale)} {other_token.symbol}"
                raise FieldError("limitPrice", f"asks for more than {most}, which no account can hold")
        elif self.rate.most_input(amount_units) == 0:
            smallest = f"{format_units(1, other_token.scale)} {other_token.symbol}"
            raise FieldError("limitPrice", f"leaves less than {smallest} to pay with, its smallest part")
