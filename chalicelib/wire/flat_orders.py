"""Orders in queue messages.

The order's own members and its terms' side by side, as messages have always had them.

The members follow from the two types; none is spelled here. While a deployment replaces functions, one
release reads what the other wrote, and refuses members that it does not know. So an added term travels only
when it differs from its default, which no client of the older release can have made it do.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, Final, NotRequired, get_type_hints

from pydantic import ConfigDict, GetCoreSchemaHandler, with_config
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from chalicelib.domain.orders import Order
from chalicelib.domain.terms import OrderTerms

_TERMS: Final = "terms"
# Said by ``accepted_at`` and ``valid_until``.
_IMPLIED: Final = "valid_for_s"

_OF_TERMS: Final = tuple(each for each in fields(OrderTerms) if each.name != _IMPLIED)
_OF_ORDER: Final = tuple(each for each in fields(Order) if each.name != _TERMS)
_TYPES: Final = get_type_hints(OrderTerms) | get_type_hints(Order)

MEMBERS: Final = frozenset(each.name for each in (*_OF_TERMS, *_OF_ORDER))
"""The members of an order in a message."""

_PLACE: Final = next(place for place, each in enumerate(fields(Order)) if each.name == _TERMS)
_FIELDS: Final = (*_OF_ORDER[:_PLACE], *_OF_TERMS, *_OF_ORDER[_PLACE:])
_NAMES: Final = tuple(each.name for each in _FIELDS)

# A typed dictionary, since its members are only handed on: a model would make an object of them first.
_Flat: Final = with_config(ConfigDict(extra="forbid"))(
    TypedDict(  # type: ignore[operator]  # its fields are known only now
        "Order",
        {
            each.name: _TYPES[each.name] if each.default is MISSING else NotRequired[_TYPES[each.name]]
            for each in _FIELDS
        },
    )
)
_ADDED: Final = tuple((each.name, each.default) for each in _OF_TERMS if each.default is not MISSING)

_values: Final[Callable[[Order], tuple[Any, ...]]] = attrgetter(
    *(f"{_TERMS}.{each.name}" if each in _OF_TERMS else each.name for each in _FIELDS)
)
# Of most orders all that was added is at its default, and does not travel.
_added_values: Final[Callable[[Order], tuple[Any, ...]]] = attrgetter(
    *(f"{_TERMS}.{name}" for name, _ in _ADDED)
)
_DEFAULTS: Final = tuple(default for _, default in _ADDED)
_USUAL: Final = tuple(each for each in _FIELDS if (each.name, each.default) not in _ADDED)
_USUAL_NAMES: Final = tuple(each.name for each in _USUAL)
_usual_values: Final[Callable[[Order], tuple[Any, ...]]] = attrgetter(
    *(f"{_TERMS}.{each.name}" if each in _OF_TERMS else each.name for each in _USUAL)
)
_FIRST_OF_TERMS: Final = tuple(each.name for each in _OF_TERMS if each.default is MISSING)
_first_of_terms: Final = itemgetter(*_FIRST_OF_TERMS)
_ADDED_NAMES: Final = frozenset(name for name, _ in _ADDED)
_FIRST_OF_ORDER: Final = tuple(each.name for each in _OF_ORDER if each.default is MISSING)
_first_of_order: Final = itemgetter(*_FIRST_OF_ORDER)
_ADDED_TO_ORDER: Final = tuple(each.name for each in _OF_ORDER if each.default is not MISSING)


def implied_span(
    accepted_at: datetime, valid_until: datetime | None, expires_at: datetime | None
) -> int | None:
    """Return for how many seconds an order said that it is valid; None if it named a moment, or no end."""
    if valid_until is None:
        return None
    valid_for = valid_until - accepted_at
    return None if expires_at is not None else round(valid_for.total_seconds())


def flat(order: Order) -> dict[str, Any]:
    """Return an order's members."""
    if _added_values(order) == _DEFAULTS:
        return dict(zip(_USUAL_NAMES, _usual_values(order), strict=True))
    members = dict(zip(_NAMES, _values(order), strict=True))
    for name, default in _ADDED:
        if members[name] == default:
            del members[name]
    return members


def _order(members: dict[str, Any]) -> Order:
    try:
        valid_for_s = implied_span(members["accepted_at"], members["valid_until"], members.get("expires_at"))
    except TypeError as error:
        raise ValueError("accepted_at and valid_until must both have a time zone") from error
    terms = dict(zip(_FIRST_OF_TERMS, _first_of_terms(members), strict=True))
    for name in _ADDED_NAMES.intersection(members):
        terms[name] = members[name]
    rest = dict(zip(_FIRST_OF_ORDER, _first_of_order(members), strict=True))
    for name in _ADDED_TO_ORDER:
        if name in members:
            rest[name] = members[name]
    return Order(terms=OrderTerms(valid_for_s=valid_for_s, **terms), **rest)


class FlatOrder:
    """Lets pydantic read and write an ``Order`` flat."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = core_schema.no_info_after_validator_function(_order, handler.generate_schema(_Flat))
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.is_instance_schema(Order),
            serialization=core_schema.plain_serializer_function_ser_schema(flat),
        )
