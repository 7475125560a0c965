"""What every swap instruction needs to know besides the pool."""

from typing import NamedTuple

from chalicelib.adapters.solana.keys import Pubkey
from chalicelib.amm.swaps import TokenIndex
from chalicelib.domain.swap_mode import SwapMode


class SwapTerms(NamedTuple):
    """One swap of one pool.

    Attributes:
        authority: Signs as owner of the input account, or as its delegate.
        amount: Given (exact in) or wanted (exact out), in base units, transfer fees included: what leaves the
            input account, or arrives on the output account.
        threshold: The least output (exact in), the most input (exact out). Never 0: some programs would take
            that for leave to pay nothing.
    """

    authority: Pubkey
    input_account: Pubkey
    output_account: Pubkey
    token_in: TokenIndex
    mode: SwapMode
    amount: int
    threshold: int
