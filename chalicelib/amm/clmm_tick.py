"""Ticks of a CLMM pool and their prices, after raydium-io/raydium-clmm@03b44b7.

The file is ``programs/amm/src/libraries/tick_math.rs``. Square roots of prices are Q64.64; a
tick is a step of 0.01 % in price.
"""

from functools import lru_cache
from typing import Final

from chalicelib.amm.swaps import U128_MAX

TICK_MAX: Final = 443_636
SQRT_PRICE_MIN: Final = 4_295_048_016  # at -TICK_MAX
SQRT_PRICE_MAX: Final = 79_226_673_521_066_979_257_578_248_091  # at TICK_MAX

# Entry i is the program's value of 1.0001^(-2^i / 2) in Q64.64.
_FACTORS: Final = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x9AA508B5B85A500,
    0x5D6AF8DEDC582C,
    0x2216E584F5FA,
)

_LOG2_BITS: Final = 16  # of the fraction; enough to be less than one tick off
_TICKS_PER_OCTAVE_X32: Final = 59_543_866_431_248  # 2^32 / log2(√1.0001)
_MARGIN_BELOW: Final = 184_467_440_737_095_516  # 0.01 in Q64.64
_MARGIN_ABOVE: Final = 15_793_534_762_490_258_745  # 2^-14 / log2(√1.0001) + 0.01


@lru_cache(maxsize=2**16)
def sqrt_price_at(tick: int) -> int:
    """Return the square root of the price at a tick: ``get_sqrt_price_at_tick``.

    Raises:
        ValueError: The tick is out of range.
    """
    if abs(tick) > TICK_MAX:
        raise ValueError(f"tick must be within ±{TICK_MAX}, not {tick}")
    ratio = 1 << 64
    for bit, factor in enumerate(_FACTORS):
        if abs(tick) >> bit & 1:
            ratio = ratio * factor >> 64
    return U128_MAX // ratio if tick > 0 else ratio


def tick_at(sqrt_price: int) -> int:
    """Return the greatest tick whose price is not above this one: ``get_tick_at_sqrt_price``.

    Raises:
        ValueError: The price is not in ``[SQRT_PRICE_MIN, SQRT_PRICE_MAX)``.
    """
    if not SQRT_PRICE_MIN <= sqrt_price < SQRT_PRICE_MAX:
        raise ValueError(f"sqrt_price must be within the ticks' range, not {sqrt_price}")
    ticks = _log2_x32(sqrt_price) * _TICKS_PER_OCTAVE_X32
    low, high = (ticks - _MARGIN_BELOW) >> 64, (ticks + _MARGIN_ABOVE) >> 64
    return high if low == high or sqrt_price_at(high) <= sqrt_price else low


def tick_near(sqrt_price: int, tick: int) -> int:
    """Return ``tick_at``, which is mostly ``tick``, where the price was, or beside it: no logarithm then.

    Raises:
        ValueError: As ``tick_at``.
    """
    if -TICK_MAX < tick < TICK_MAX - 1:
        if sqrt_price < sqrt_price_at(tick):
            if sqrt_price >= sqrt_price_at(tick - 1):
                return tick - 1
        elif sqrt_price < sqrt_price_at(tick + 1):
            return tick
        elif sqrt_price < sqrt_price_at(tick + 2):
            return tick + 1
    return tick_at(sqrt_price)


def _log2_x32(sqrt_price: int) -> int:
    """Return the logarithm of a Q64.64 number with 32 fractional bits, the first 16 exact."""
    top_bit = sqrt_price.bit_length() - 1
    mantissa = sqrt_price >> (top_bit - 63) if top_bit >= 64 else sqrt_price << (63 - top_bit)
    fraction = 0
    for _ in range(_LOG2_BITS):
        mantissa *= mantissa
        is_above_two = mantissa >> 127
        mantissa >>= 63 + is_above_two
        fraction = fraction << 1 | is_above_two
    return ((top_bit - 64) << 32) + (fraction << (32 - _LOG2_BITS))
