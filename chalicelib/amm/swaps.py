"""What every pool kind shares: a swap to compute, its result, and the refusals.

A pool kind is a module with an immutable state and one pure function,
``swap(pool, request) -> (result, pool after)``. Amounts are integers in base units and
rates are integers in the on-chain program's own unit; nothing here is ever a float.
"""

from enum import StrEnum
from typing import Final, Literal, NamedTuple

from chalicelib.values import value

U64_MAX: Final = 2**64 - 1
U128_MAX: Final = 2**128 - 1

TokenIndex = Literal[0, 1]
"""A pool's first token (0; also called x, a) or its second (1; y, b)."""


class Exact(StrEnum):
    """Which amount of a swap is given: what goes in, or what comes out."""

    IN = "exact_in"
    OUT = "exact_out"


class Refusal(StrEnum):
    """Why a program refuses a swap; the values are those of the golden vectors."""

    ZERO_OUTPUT = "zero_output"  # the program refuses to pay nothing
    INSUFFICIENT_LIQUIDITY = "insufficient_liquidity"  # reserve, bins, range or integer width exhausted
    NOT_OPEN = "not_open"  # the pool does not trade yet


class SwapRefusedError(Exception):
    """The program would refuse this swap; the pool is unchanged."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@value
class Swap:
    """One request to a pool.

    Attributes:
        amount: What is given (exact in) or wanted (exact out), fees included, in base units.
        timestamp_s: Unix time; opening times and dynamic fees depend on it.
        slot: The chain's slot; some pools open at one. 0 stands for none known: those are closed then.

    Raises:
        ValueError: ``amount`` is not a positive u64; no instruction could carry it.
    """

    mode: Exact
    amount: int
    token_in: TokenIndex
    timestamp_s: int = 0
    slot: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.amount <= U64_MAX:
            raise ValueError(f"amount must be 1 to {U64_MAX} base units, not {self.amount}")


class SwapResult(NamedTuple):
    """What a swap moved: the trader gives ``amount_in`` and gets ``amount_out``.

    ``trade_fee`` contains ``protocol_fee`` and ``fund_fee``, all in ``fee_token``; the rest
    of it belongs to the liquidity providers. ``creator_fee`` comes on top, in
    ``creator_fee_token``. Both amounts seen by the trader already include every fee.

    ``lp_fee_outside`` is the part of the LP fee that the program keeps apart from the
    tradable reserves, also in ``fee_token`` (DLMM, DAMM v2 and CLMM owe it to positions;
    a CPMM leaves it in its reserves, so there it is 0).

    ``transfer_fee_in`` is the part of ``amount_in`` that a Token-2022 mint withheld before the pool saw it;
    ``transfer_fee_out`` is what it withheld, beyond ``amount_out``, of what the pool sent.

    ``dust_out`` left the tradable reserves of the output token by rounding and is part of
    neither ``amount_out`` nor a fee (DLMM, exact out, at most a few units).
    """

    amount_in: int
    amount_out: int
    trade_fee: int
    protocol_fee: int
    fee_token: TokenIndex
    fund_fee: int = 0
    creator_fee: int = 0
    creator_fee_token: TokenIndex = 0
    lp_fee_outside: int = 0
    dust_out: int = 0
    transfer_fee_in: int = 0
    transfer_fee_out: int = 0
