"""What was read of the pools at one moment: those to trade with, and why the others are left alone."""

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.adapters.solana.clock import ClockSysvar
from chalicelib.adapters.solana.pool_reading import OnChainPool
from chalicelib.amm.pools import Pool


class BookPool(NamedTuple):
    """A pool as of the book's clock.

    Attributes:
        tokens: Symbols of its token 0 and token 1.
        is_listed: It is in the configuration's list; others were found (``found_pools``).
        state: As its traders see it, transfer fees included.
    """

    pool_id: str
    venue: str
    tokens: tuple[str, str]
    on_chain: OnChainPool
    state: Pool
    is_listed: bool = True


class Book(NamedTuple):
    """Pools of one moment.

    Attributes:
        refused: By pool id, in words; none of these is among ``pools``.
    """

    clock: ClockSysvar
    pools: Mapping[str, BookPool]
    refused: Mapping[str, str]
