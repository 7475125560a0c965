"""From the domain's word for which amount of a swap is exact to that of the pools' maths."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chalicelib.amm.swaps import Exact
from chalicelib.domain.swap_mode import SwapMode

EXACT: Final[Mapping[SwapMode, Exact]] = MappingProxyType(
    {SwapMode.EXACT_IN: Exact.IN, SwapMode.EXACT_OUT: Exact.OUT}
)
