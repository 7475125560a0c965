"""Token amounts: decimal text on the wire, integers in base units inside, nothing in between.

``scale`` is the number of decimals of a token: 1 unit of SOL (scale 9) is 10**9 base units.
"""

import re
from decimal import ROUND_HALF_EVEN, Context
from typing import Final

from chalicelib.domain.errors import Code, FieldError

BPS_PER_UNIT: Final = 10_000
MAX_UNITS: Final = 2**64 - 1
"""On-chain token amounts are unsigned 64-bit integers (SPL Token ``Account.amount``)."""

PRICE_DIGITS: Final = 12
_PRICE_CONTEXT: Final = Context(prec=PRICE_DIGITS, rounding=ROUND_HALF_EVEN)
# No field takes longer texts, and Python's integers would mind them.
_PLAIN_DECIMAL: Final = re.compile(r"[0-9]{1,128}(?:\.[0-9]{1,128})?")


def ceil_div(dividend: int, divisor: int) -> int:
    """Return ``dividend / divisor`` rounded up; both are non-negative integers."""
    return -(-dividend // divisor)


def parse_units(text: str, scale: int, *, field: str) -> int:
    """Return the base units that a plain decimal such as ``"1.5"`` stands for, exactly.

    Raises:
        FieldError: Not a plain decimal (signs, exponents, NaN), more decimals than the token
            has, zero, or above the largest on-chain amount. Nothing is ever rounded.
    """
    if not _PLAIN_DECIMAL.fullmatch(text):
        raise FieldError(field, "must be a plain positive decimal number, such as 1.5")
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > scale:
        raise FieldError(field, f"must have at most {scale} decimals", Code.TOO_MANY_DECIMALS)
    units: int = int(whole) * 10**scale + int(fraction.ljust(scale, "0") or "0")
    if units == 0:
        raise FieldError(field, "must be greater than 0")
    if units > MAX_UNITS:
        raise FieldError(field, f"must be at most {format_units(MAX_UNITS, scale)}")
    return units


def format_units(units: int, scale: int) -> str:
    """Return base units as the shortest plain decimal in token units: 1_500_000_000, 9 -> "1.5"."""
    # Text is cut rather than numbers divided: half the time, and an order is shown a dozen amounts.
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    digits = digits.zfill(scale + 1)
    point = len(digits) - scale
    fraction = digits[point:].rstrip("0")
    return f"{sign}{digits[:point]}.{fraction}" if fraction else sign + digits[:point]


def min_out_units(quoted_units: int, slippage_bps: int) -> int:
    """Return the least output to accept, in base units, rounded up: in the trader's favour.

    At least 1, since a DAMM v2 pool would pay out nothing when nothing is demanded.
    """
    assert 0 <= slippage_bps <= BPS_PER_UNIT
    return max(1, ceil_div(quoted_units * (BPS_PER_UNIT - slippage_bps), BPS_PER_UNIT))


def max_in_units(quoted_units: int, slippage_bps: int) -> int:
    """Return the most input to give, in base units, rounded down: in the trader's favour.

    No more than any account holds: the instruction's field is a u64.
    """
    assert 0 <= slippage_bps <= BPS_PER_UNIT
    return min(quoted_units * (BPS_PER_UNIT + slippage_bps) // BPS_PER_UNIT, MAX_UNITS)


def price_text(quote_units: int, quote_scale: int, base_units: int, base_scale: int) -> str | None:
    """Return quote per base in token units, to 12 significant digits (half to even), for display.

    Amounts are exact, a price is their ratio and may not be; nothing is computed from it.
    None if there is no base amount to divide by.
    """
    if base_units == 0:
        return None
    price = _PRICE_CONTEXT.divide(quote_units * 10**base_scale, base_units * 10**quote_scale)
    return format(price.normalize(_PRICE_CONTEXT), "f")
