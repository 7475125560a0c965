"""Legs of landed transactions as the ledger keeps them: lists of values, whose names every row would repeat.

``market.named_legs`` gives statements the names again. Earlier releases wrote an object for each leg.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from chalicelib.domain.transactions import LegFill

_values: Final = attrgetter(*(field.name for field in fields(LegFill)))


def rows_of(legs: Iterable[LegFill]) -> list[tuple[Any, ...]]:
    """Return each leg's values, in the order of the fields of ``LegFill``; units are integers."""
    return [_values(leg) for leg in legs]


def fills(kept: Iterable[Sequence[Any] | Mapping[str, Any]]) -> tuple[LegFill, ...]:
    """Return legs as the ledger has them, whichever release wrote them."""
    return tuple(LegFill(**leg) if isinstance(leg, Mapping) else LegFill(*leg) for leg in kept)
