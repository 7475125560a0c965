"""Our pools in the terms of the files' ``model``, and as far as a file can tell."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from chalicelib.amm.meteora_dlmm import DlmmPool
from chalicelib.amm.pools import ProgramPool
from chalicelib.amm.raydium_clmm import ClmmPool
from chalicelib.amm.raydium_cpmm import CpmmPool

_LISTS: Final = ("bins", "ticks")


def modelled(state: ProgramPool, fields: Mapping[str, int]) -> Mapping[str, Any]:
    """Return the decoded pool by the names of a ``model``; for DAMM v2 these are the account's own fields."""
    match state:
        case CpmmPool() | ClmmPool():
            return {**asdict(state), **asdict(state.fees)}
        case DlmmPool():
            return {**held(state), **asdict(state.parameters), **asdict(state.volatility)}
    return fields


def around(model: Mapping[str, Any], actual: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model without bins and ticks that are in no account of the case:
    arrays of the other direction.
    """
    seen = dict(model)
    for name in _LISTS:
        if name in model and actual[name]:
            lowest, highest = actual[name][0][0], actual[name][-1][0]
            seen[name] = [part for part in model[name] if lowest <= part[0] <= highest]
            assert seen[name], f"no {name} of the model are among those decoded"
    return seen


def held(state: ProgramPool) -> dict[str, Any]:
    """Return a pool's fields, empty bins aside: some exist for a moment only, and none matters."""
    fields = {name: getattr(state, name) for name in state.__dataclass_fields__}
    if isinstance(state, DlmmPool):
        fields["bins"] = [list(part) for part in state.bins if part.amount_x or part.amount_y]
    return fields
