"""Powers of unsigned 64.64 fixed-point numbers, with the programs' own truncation.

Follows MeteoraAg/dlmm-sdk@fb02e51 ``commons/src/math/u64x64_math.rs``; MeteoraAg/damm-v2@a3d3827
carries the same function. The last digits depend on this very order of operations.
"""

from typing import Final

from chalicelib.amm.swaps import U128_MAX, Refusal, SwapRefusedError

ONE: Final = 1 << 64
EXPONENT_MAX: Final = 0x80000  # exclusive, in absolute value


def power(base: int, exponent: int) -> int:
    """Return ``base`` to the ``exponent``, both base and result in Q64.64, truncated.

    Raises:
        SwapRefusedError: The exponent or the result does not fit, as in the program.
    """
    if exponent == 0:
        return ONE
    steps = abs(exponent)
    if steps >= EXPONENT_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    is_inverted = exponent < 0
    square = base
    if square >= ONE:
        # Below one the squares never grow, so no product can exceed a u128.
        square = U128_MAX // square
        is_inverted = not is_inverted
    result = ONE
    while steps:
        if steps & 1:
            result = result * square >> 64
        square = square * square >> 64
        steps >>= 1
    if result == 0:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return U128_MAX // result if is_inverted else result
