"""The columns that hold an order: one table, from which every statement and both mappers are made.

A field of an order that is added has its one row here, its migration, and nothing else in SQL.
"""

from collections.abc import Callable
from enum import EnumType
from operator import attrgetter
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from chalicelib.adapters.postgres.statements import Row
from chalicelib.domain.launches import Sniper
from chalicelib.domain.orders import Order
from chalicelib.domain.rates import Limit
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms, OrderType, TimeInForce
from chalicelib.domain.triggers import Trigger
from chalicelib.wire.flat_orders import implied_span


def _as_it_is(value: Any) -> Any:
    return value


def _document(kind: Any) -> Callable[[Any], Any]:
    """Return what reads a JSON document of the fields of a dataclass; NULL is None."""
    adapter = TypeAdapter[Any](kind)
    return lambda value: None if value is None else adapter.validate_python(value)


class Column(NamedTuple):
    """One column.

    Attributes:
        path: Where the value is in an ``Order``; in its terms, unless the order itself has it.
        read: From what the driver returns to the field's type.
    """

    name: str
    sql_type: str
    path: str
    read: Callable[[Any], Any] = _as_it_is


_TERMS: Final = "terms."

COLUMNS: Final = (
    Column("order_id", "uuid", "order_id"),
    Column("account_id", "text", "account_id"),
    Column("client_order_id", "text", "terms.client_order_id"),
    Column("order_type", "text", "terms.order_type", OrderType),
    Column("swap_mode", "text", "terms.swap_mode", SwapMode),
    Column("input_token", "text", "terms.input_token"),
    Column("output_token", "text", "terms.output_token"),
    Column("amount_units", "numeric", "terms.amount_units", int),
    Column("price_base", "text", "terms.price_base"),
    Column("slippage_bps", "int", "terms.slippage_bps"),
    Column("accepted_at", "timestamptz", "accepted_at"),
    Column("valid_until", "timestamptz", "valid_until"),
    Column("content_sha256", "text", "content_sha256"),
    Column("submission_id", "uuid", "submission_id"),
    Column("limit_terms", "jsonb", "terms.limit", _document(Limit)),
    Column("trigger_terms", "jsonb", "terms.trigger", _document(Trigger)),
    Column("sniper_terms", "jsonb", "terms.sniper", _document(Sniper)),
    Column("time_in_force", "text", "terms.time_in_force", TimeInForce),
    Column("expires_at", "timestamptz", "terms.expires_at"),
    Column("output_decimals", "smallint", "terms.output_decimals"),
)

AMENDABLE: Final = (
    "amount_units",
    "limit_terms",
    "trigger_terms",
    "time_in_force",
    "expires_at",
    "valid_until",
)
"""What an order's owner may change while it rests."""

NAMES: Final = ", ".join(column.name for column in COLUMNS)
SELECTED: Final = ", ".join(f"o.{column.name}" for column in COLUMNS)
"""From a table that the statement calls ``o``."""
TYPES: Final = {column.name: column.sql_type for column in COLUMNS}

# A word as mere text: an encoder would ask each enumeration for its value, in Python.
column_values: Final = attrgetter(
    *(f"{column.path}._value_" if isinstance(column.read, EnumType) else column.path for column in COLUMNS)
)
"""Returns an order's values in the order of its columns."""
_OF_TERMS: Final = tuple(
    (column.path.removeprefix(_TERMS), column) for column in COLUMNS if column.path.startswith(_TERMS)
)
_OF_ORDER: Final = tuple((column.path, column) for column in COLUMNS if not column.path.startswith(_TERMS))


def order_of(row: Row) -> Order:
    """Return the order that one row of ``orders`` holds.

    Raises:
        ValueError: A word in it is another release's.
    """
    terms = OrderTerms(
        valid_for_s=implied_span(row.accepted_at, row.valid_until, row.expires_at),
        **{name: column.read(getattr(row, column.name)) for name, column in _OF_TERMS},
    )
    return Order(terms=terms, **{name: column.read(getattr(row, column.name)) for name, column in _OF_ORDER})
