"""Whether a swap's input or its output is exact."""

from enum import StrEnum


class SwapMode(StrEnum):
    """Which amount a client fixes; the other one is what the market makes of it (Jupiter's ``swapMode``)."""

    EXACT_IN = "exact_in"
    EXACT_OUT = "exact_out"
