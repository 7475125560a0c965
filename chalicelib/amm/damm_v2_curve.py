"""Curves of a DAMM v2 pool: one price range of constant liquidity, or plain reserves.

Follows MeteoraAg/damm-v2@a3d3827 ``programs/cp-amm/src/liquidity_handler``:
``concentrated_liquidity.rs`` and ``compounding_liquidity.rs``. Fees are not known here.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Final

from chalicelib.amm.swaps import U64_MAX, Refusal, SwapRefusedError, TokenIndex

LIQUIDITY_SHIFT: Final = 128  # the square root of price and liquidity carry 64 fractional bits each


@dataclass(frozen=True, slots=True)
class ConcentratedCurve:
    """Liquidity L between two prices, with ΔB = L·Δ√P and ΔA = L·Δ(1/√P); prices in Q64.64.

    Every rounding favours the pool: the price moves too little for an amount in and too
    much for an amount out.
    """

    sqrt_price: int
    liquidity: int
    sqrt_min_price: int
    sqrt_max_price: int

    def take_in(self, amount: int, token_in: TokenIndex) -> tuple[int, "ConcentratedCurve"]:
        """Return what an amount in buys, and the curve after it.

        Raises:
            SwapRefusedError: The price would leave the range, an
                amount exceeds a u64, or there is no liquidity.
        """
        liquidity, price = self._traded_at()
        if token_in == 0:
            after = -(-liquidity * price // (liquidity + amount * price))
            if after < self.sqrt_min_price:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            out = liquidity * (price - after) >> LIQUIDITY_SHIFT
        else:
            after = price + (amount << LIQUIDITY_SHIFT) // liquidity
            if after > self.sqrt_max_price:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            out = liquidity * (after - price) // (price * after)
        return _u64(out), self._moved_to(after)

    def give_out(self, amount: int, token_in: TokenIndex) -> tuple[int, "ConcentratedCurve"]:
        """Return what an amount out costs, and the curve after it.

        Raises:
            SwapRefusedError: As ``take_in``.
        """
        liquidity, price = self._traded_at()
        if token_in == 0:
            after = price + (-(amount << LIQUIDITY_SHIFT) // liquidity)
            if after < self.sqrt_min_price:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            cost = -(-liquidity * (price - after) // (price * after))
        else:
            left = liquidity - amount * price
            if left <= 0:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            after = -(-liquidity * price // left)
            if after > self.sqrt_max_price:
                raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
            cost = -(-liquidity * (after - price) >> LIQUIDITY_SHIFT)
        return _u64(cost), self._moved_to(after)

    def reserves(self) -> tuple[int, int]:
        """Return the most of A and of B that this curve can still pay: ``get_reserves_amount``."""
        liquidity, price, top = self.liquidity, self.sqrt_price, self.sqrt_max_price
        a = liquidity * (top - price) // (price * top)
        return a, liquidity * (price - self.sqrt_min_price) >> LIQUIDITY_SHIFT

    def price(self) -> tuple[int, int]:
        """Return B per A as (numerator, denominator)."""
        return self.sqrt_price * self.sqrt_price, 1 << LIQUIDITY_SHIFT

    def can_pay_for(self, token_in: TokenIndex) -> bool:
        return (
            self.sqrt_price > self.sqrt_min_price if token_in == 0 else self.sqrt_price < self.sqrt_max_price
        )

    def _traded_at(self) -> tuple[int, int]:
        """Return liquidity and price; without liquidity the program's divisions fail."""
        if self.liquidity == 0:
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        return self.liquidity, self.sqrt_price

    def _moved_to(self, sqrt_price: int) -> "ConcentratedCurve":
        return ConcentratedCurve(sqrt_price, self.liquidity, self.sqrt_min_price, self.sqrt_max_price)


@dataclass(frozen=True, slots=True)
class CompoundingCurve:
    """Constant product over reserves that part of the fees joins."""

    token_a_amount: int
    token_b_amount: int

    @property
    def sqrt_price(self) -> int:
        """The square root of B per A, in Q64.64, rounded down: ``get_next_sqrt_price``."""
        return isqrt((self.token_b_amount << LIQUIDITY_SHIFT) // self.token_a_amount)

    def take_in(self, amount: int, token_in: TokenIndex) -> tuple[int, "CompoundingCurve"]:
        """Return what an amount in buys, and the curve after it.

        Raises:
            SwapRefusedError: A reserve would exceed a u64, or is empty.
        """
        reserve_in, reserve_out = self._filled_sides(token_in)
        out = reserve_out * amount // _u64(reserve_in + amount)
        return out, self._moved_by(amount, out, token_in)

    def give_out(self, amount: int, token_in: TokenIndex) -> tuple[int, "CompoundingCurve"]:
        """Return what an amount out costs, and the curve after it.

        Raises:
            SwapRefusedError: The reserve does not hold that much, or the other would exceed
                a u64, or one is empty.
        """
        reserve_in, reserve_out = self._filled_sides(token_in)
        if amount >= reserve_out:
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        cost = -(-reserve_in * amount // (reserve_out - amount))
        _u64(reserve_in + cost)
        return cost, self._moved_by(cost, amount, token_in)

    def compounded(self, fee_b: int) -> "CompoundingCurve":
        """Return the curve after a fee in B joined its reserves."""
        return CompoundingCurve(self.token_a_amount, _u64(self.token_b_amount + fee_b))

    def reserves(self) -> tuple[int, int]:
        return self.token_a_amount, self.token_b_amount

    def price(self) -> tuple[int, int]:
        """Return B per A as (numerator, denominator)."""
        return self.token_b_amount, self.token_a_amount

    def can_pay_for(self, token_in: TokenIndex) -> bool:
        return self._sides(token_in)[1] > 0

    def _filled_sides(self, token_in: TokenIndex) -> tuple[int, int]:
        if not (self.token_a_amount and self.token_b_amount):
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        return self._sides(token_in)

    def _sides(self, token_in: TokenIndex) -> tuple[int, int]:
        if token_in == 0:
            return self.token_a_amount, self.token_b_amount
        return self.token_b_amount, self.token_a_amount

    def _moved_by(self, added: int, removed: int, token_in: TokenIndex) -> "CompoundingCurve":
        if token_in == 0:
            return CompoundingCurve(self.token_a_amount + added, self.token_b_amount - removed)
        return CompoundingCurve(self.token_a_amount - removed, self.token_b_amount + added)


def _u64(amount: int) -> int:
    if amount > U64_MAX:
        raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
    return amount
