"""The fee that a Token-2022 mint takes from every transfer.

Follows solana-program/token-2022 ``program/src/extension/transfer_fee/mod.rs`` (``TransferFee``). What it
makes of a swap is in ``pools.TransferFeePool``.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from chalicelib.amm.swaps import U64_MAX, Refusal, SwapRefusedError

BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class TransferFee:
    """A mint's fee in one epoch.

    Attributes:
        basis_points: Of the amount sent, rounded up.
        maximum: The fee is never more, in base units.
    """

    basis_points: int = 0
    maximum: int = U64_MAX

    def of(self, amount: int) -> int:
        """Return the fee on an amount sent: ``calculate_fee``."""
        return min(-(-amount * self.basis_points // BASIS_POINTS), self.maximum)

    def kept_at_best(self, most: int) -> Fraction:
        """Return a share of any amount up to ``most`` than which no more arrives.

        A fee with a maximum costs large amounts less; what is rounded up, some amounts escape.
        """
        return 1 - min(Fraction(self.basis_points, BASIS_POINTS), Fraction(self.maximum, most))

    def to_deliver(self, amount: int) -> int:
        """Return the least amount to send so that ``amount`` arrives: ``calculate_inverse_fee`` on top of it.

        Raises:
            SwapRefusedError: It exceeds a u64.
        """
        if not self.basis_points or not amount:
            return amount
        if self.basis_points == BASIS_POINTS:
            sent = amount + self.maximum
        else:
            uncapped = -(-amount * BASIS_POINTS // (BASIS_POINTS - self.basis_points))
            sent = min(uncapped, amount + self.maximum)
        if sent > U64_MAX:
            raise SwapRefusedError(Refusal.INSUFFICIENT_LIQUIDITY)
        return sent


NO_FEE: Final = TransferFee()
