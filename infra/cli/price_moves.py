"""Paths of one price, relative to where it stands: pure."""

import math
import random
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from chalicelib.domain.amounts import BPS_PER_UNIT

STEPS_MAX: Final = 100_000
INTERVAL_S_MAX: Final = 86_400
VOLATILITY_BPS_MAX: Final = BPS_PER_UNIT
MOVE_BPS: Final = range(1 - BPS_PER_UNIT, 100 * BPS_PER_UNIT + 1)
"""What a price may go up or down by at once: to a hundredth of a per cent, or a hundredfold up."""
_LOG_MAX: Final = 700  # the logarithm of about the largest float
_PRICE: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")

Factors = Sequence[Fraction]
"""What the price is multiplied by, step by step; 1 is where it stands."""


def listed_prices(text: str) -> Sequence[Fraction]:
    """Return the prices of a list such as ``150,145.5,139``.

    Raises:
        ValueError: One is no plain decimal or not above 0, or there are more than ``STEPS_MAX``.
    """
    each = [price.strip() for price in text.split(",", STEPS_MAX)]
    if len(each) > STEPS_MAX:
        raise ValueError(f"a path has at most {STEPS_MAX} prices")
    for price in each:
        # A fraction reads exponents and quotients as well, and an exponent can stand for a billion digits.
        if not _PRICE.fullmatch(price):
            raise ValueError(f"{price!r} is no price; they are given as 150,145.5,139")
    prices = [Fraction(price) for price in each]
    if min(prices) <= 0:
        raise ValueError("every price of a path is above 0")
    return prices


def drift(bps: int, steps: int) -> Factors:
    """Return a path that is ``bps`` away after its last step, the same ratio from step to step."""
    whole = _moved(bps)
    return [Fraction(math.exp(math.log(whole) * step / steps)) for step in range(1, steps)] + [whole]


def spike(bps: int, steps: int) -> Factors:
    """Return a path that is ``bps`` away for ``steps`` steps and then back where it was."""
    return [_moved(bps)] * steps + [Fraction(1)]


def walk(volatility_bps: float, steps: int, seed: int) -> Factors:
    """Return a random walk of about so much per step; the same for the same seed.

    Raises:
        ValueError: It comes to a price that no float holds.
    """
    dice = random.Random(seed)  # noqa: S311  # prices of play money
    log, path = 0.0, []
    for _ in range(steps):
        log += dice.gauss(0, volatility_bps / BPS_PER_UNIT)
        if abs(log) > _LOG_MAX:
            raise ValueError("such a walk leaves all prices that there are: fewer steps, or smaller ones")
        path.append(Fraction(math.exp(log)))
    return path


def _moved(bps: int) -> Fraction:
    if bps <= -BPS_PER_UNIT:
        raise ValueError("a price cannot fall by all of it")
    return Fraction(BPS_PER_UNIT + bps, BPS_PER_UNIT)
