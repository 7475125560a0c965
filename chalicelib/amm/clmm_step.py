"""One step of a CLMM swap: from a price towards the next, through constant liquidity.

Follows raydium-io/raydium-clmm@03b44b7 ``programs/amm/src/libraries``: ``swap_math.rs``,
``sqrt_price_math.rs`` and ``liquidity_math.rs``. Token 0 comes in when the price falls.
"""

from typing import Final, NamedTuple

from chalicelib.amm.swaps import U64_MAX, Refusal, SwapRefusedError

FEE_RATE_DENOMINATOR: Final = 10**6


class Step(NamedTuple):
    """The price reached and the amounts; ``fee`` comes on top of ``amount_in``."""

    sqrt_price: int
    amount_in: int
    amount_out: int
    fee: int


def step_in(price: int, target: int, liquidity: int, remaining: int, fee_rate: int) -> Step:
    """Spend up to ``remaining``, fee included, without passing the target price.

    Raises:
        SwapRefusedError: An amount exceeds a u64.
    """
    usable = remaining * (FEE_RATE_DENOMINATOR - fee_rate) // FEE_RATE_DENOMINATOR
    capacity = _amount_in(price, target, liquidity)
    if capacity <= usable:
        out = _u64(_amount_out(price, target, liquidity))
        return Step(target, capacity, out, _fee_on_top(capacity, fee_rate))
    # ``get_next_sqrt_price_from_input``: the price moves too little rather than too much.
    # The amounts are those of ``_amount_in`` and ``_amount_out``, in place: most swaps are one such step.
    if target < price:
        shifted = liquidity << 64
        after = -(-shifted * price // (shifted + usable * price))
        moved = liquidity * (price - after)
        amount_in, out = -(-(moved << 64) // (price * after)), moved >> 64
    else:
        after = price + (usable << 64) // liquidity
        moved = liquidity * (after - price)
        amount_in, out = -(-moved >> 64), (moved << 64) // (price * after)
    if amount_in > U64_MAX or out > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    # The target is not reached: that takes ``capacity``. The dust that did not move the price is a fee too.
    return Step(after, amount_in, out, remaining - amount_in)


def step_out(price: int, target: int, liquidity: int, remaining: int, fee_rate: int) -> Step:
    """Buy up to ``remaining`` without passing the target price.

    Raises:
        SwapRefusedError: An amount exceeds a u64, or the liquidity does not hold so much.
    """
    capacity = _amount_out(price, target, liquidity)
    if capacity <= remaining:
        amount_in = _u64(_amount_in(price, target, liquidity))
        return Step(target, amount_in, capacity, _fee_on_top(amount_in, fee_rate))
    after = _price_after_output(price, liquidity, remaining, falls=target < price)
    amount_in = _u64(_amount_in(price, after, liquidity))
    # Rounding the price against the trader can free a unit too much; it stays in the pool.
    out = min(_amount_out(price, after, liquidity), remaining)
    return Step(after, amount_in, out, _fee_on_top(amount_in, fee_rate))


def amount_0(price_a: int, price_b: int, liquidity: int) -> tuple[int, int]:
    """Return L·(1/√P - 1/√P') between two prices as (numerator, denominator)."""
    return liquidity * abs(price_b - price_a) << 64, price_a * price_b


def _amount_in(price: int, after: int, liquidity: int) -> int:
    """Rounded up: ``get_delta_amount_0_unsigned`` if the price falls, else ``.._1_unsigned``."""
    if after < price:
        return -((liquidity * (after - price) << 64) // (price * after))
    return -(-liquidity * (after - price) >> 64)


def _amount_out(price: int, after: int, liquidity: int) -> int:
    """Rounded down: ``get_delta_amount_1_unsigned`` if the price falls, else ``.._0_unsigned``."""
    if after < price:
        return liquidity * (price - after) >> 64
    return (liquidity * (after - price) << 64) // (price * after)


def _price_after_output(price: int, liquidity: int, amount: int, *, falls: bool) -> int:
    """``get_next_sqrt_price_from_output``: the price moves too much rather than too little."""
    if falls:
        return price + (-(amount << 64) // liquidity)
    shifted = liquidity << 64
    left = shifted - amount * price
    if left <= 0:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return -(-shifted * price // left)


def _fee_on_top(amount: int, fee_rate: int) -> int:
    return -(-amount * fee_rate // (FEE_RATE_DENOMINATOR - fee_rate))


def _u64(amount: int) -> int:
    if amount > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return amount
