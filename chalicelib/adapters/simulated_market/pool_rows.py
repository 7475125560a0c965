"""Pool states as rows, and back: scalars in one JSON object, bins and ticks as rows of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import compress
from operator import ne
from typing import Any, Final

from pydantic import TypeAdapter

from chalicelib.amm.meteora_damm_v2 import DammV2Pool
from chalicelib.amm.meteora_dlmm import Bin, DlmmPool
from chalicelib.amm.pools import Pool
from chalicelib.amm.raydium_clmm import ClmmPool, Tick
from chalicelib.amm.raydium_cpmm import CpmmPool
from chalicelib.values import value

_ADAPTERS: Final[dict[str, TypeAdapter[Any]]] = {
    "cpmm": TypeAdapter(CpmmPool),
    "clmm": TypeAdapter(ClmmPool),
    "dlmm": TypeAdapter(DlmmPool),
    "damm_v2": TypeAdapter(DammV2Pool),
}
_KINDS: Final[dict[type, str]] = {
    CpmmPool: "cpmm",
    ClmmPool: "clmm",
    DlmmPool: "dlmm",
    DammV2Pool: "damm_v2",
}
_ROWS_OF_THEIR_OWN: Final = {"bins", "ticks"}


@value
class MarketPool:
    """A pool as the ledger has it; ``version`` grows by one with each transaction that moves it."""

    pool_id: str
    venue: str
    tokens: tuple[str, str]
    state: Pool
    version: int


def kind_of(pool: Pool) -> str:
    """Return the name of a pool's kind, as in the definition file."""
    return _KINDS[type(pool)]


def scalars_of(pool: Pool) -> dict[str, Any]:
    """Return everything but bins and ticks; integers stay integers, of any size."""
    scalars: dict[str, Any] = _ADAPTERS[kind_of(pool)].dump_python(
        pool, mode="json", exclude=_ROWS_OF_THEIR_OWN
    )
    return scalars


def rows_changed(before: Pool, after: Pool) -> Sequence[Bin]:
    """Return the bins that a transaction changed; ticks are crossed without being changed."""
    if isinstance(before, DlmmPool) and isinstance(after, DlmmPool):
        # Swaps neither add nor remove a bin, and share those they do not cross.
        assert len(before.bins) == len(after.bins), "a swap changes bins, and no more"
        return list(compress(after.bins, map(ne, before.bins, after.bins)))
    return ()


def pool_of(
    kind: str,
    scalars: dict[str, Any],
    bins: Iterable[Sequence[int]],
    ticks: Iterable[Sequence[int]],
    before: Pool | None,
) -> Pool:
    """Return the state that rows describe.

    Args:
        bins: Those written since ``before``, or all; likewise ``ticks``.
        before: An earlier state of the same pool, whose other bins and ticks still hold.
    """
    pool: Pool = _ADAPTERS[kind].validate_python({**scalars, **dict.fromkeys(_ROWS_OF_THEIR_OWN, ())})
    if isinstance(pool, DlmmPool):
        held = {bin_.bin_id: bin_ for bin_ in before.bins} if isinstance(before, DlmmPool) else {}
        held |= {row[0]: Bin(*row) for row in bins}
        return replace(pool, bins=tuple(held[bin_id] for bin_id in sorted(held)))
    if isinstance(pool, ClmmPool):
        marks = {mark.tick: mark for mark in before.ticks} if isinstance(before, ClmmPool) else {}
        marks |= {row[0]: Tick(*row) for row in ticks}
        return replace(pool, ticks=tuple(marks[tick] for tick in sorted(marks)))
    return pool
