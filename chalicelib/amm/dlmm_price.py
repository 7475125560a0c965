"""Prices of DLMM bins, after MeteoraAg/dlmm-sdk@fb02e51 ``commons/src/math/price_math.rs``."""

from functools import lru_cache
from typing import Final

from chalicelib.amm import q64

BASIS_POINTS: Final = 10_000


@lru_cache(maxsize=2**16)
def bin_price(bin_id: int, bin_step: int) -> int:
    """Return Y per X in a bin, in base units and Q64.64; ``bin_step`` is in basis points.

    Raises:
        SwapRefusedError: The bin has no price that fits a u128.
    """
    return q64.power(q64.ONE + (bin_step << 64) // BASIS_POINTS, bin_id)
