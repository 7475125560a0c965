"""What the router is asked for."""

from chalicelib.amm.swaps import U64_MAX
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.values import value


@value
class SwapOrder:
    """What is to be filled.

    Attributes:
        amount: Input (exact-in) or output (exact-out), in base units.
        leg_cost: Charged per leg: output (exact-in) or input (exact-out) base units.

    Raises:
        ValueError: The amount is not a positive u64, the cost negative or the tokens are the same.
    """

    mode: SwapMode
    input_token: str
    output_token: str
    amount: int
    leg_cost: int

    def __post_init__(self) -> None:
        if not 0 < self.amount <= U64_MAX or self.leg_cost < 0 or self.input_token == self.output_token:
            raise ValueError("amount must be a positive u64, leg_cost not negative, and the tokens two")
