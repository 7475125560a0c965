"""The table of an order's columns: whole, and what goes in comes out."""

from collections import namedtuple
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from chalicelib.adapters.postgres.order_columns import COLUMNS, TYPES, column_values, order_of
from chalicelib.domain.orders import Order
from chalicelib.domain.swap_mode import SwapMode
from chalicelib.domain.terms import OrderTerms
from tests.fakes.orders import an_order, changed


def as_row(order: Order, **stored: Any) -> Any:
    """Return an order's row as the driver does: words as text, numeric as Decimal."""
    values = {name: str(value) if name in {"order_type", "swap_mode"} else value
              for name, value in zip(TYPES, column_values(order), strict=True)} | stored  # fmt: skip
    values["amount_units"] = Decimal(values["amount_units"])
    return namedtuple("Row", values)(**values)  # noqa: PYI024  # as the driver's rows are made


def test_every_field_of_an_order_has_its_column() -> None:
    of_order = {field.name for field in fields(Order)} - {"terms"}
    # How long it is valid follows from two columns.
    of_terms = {f"terms.{field.name}" for field in fields(OrderTerms)} - {"terms.valid_for_s"}
    assert {column.path for column in COLUMNS} == of_order | of_terms


def test_order_comes_back_from_its_row_as_it_went_in() -> None:
    order = changed(
        replace(an_order(client_order_id="é", amount_units=2**64 - 1), submission_id=UUID(int=7)),
        swap_mode=SwapMode.EXACT_OUT,
        valid_for_s=90,
    )
    order = replace(order, valid_until=order.accepted_at + timedelta(seconds=90))
    found = order_of(as_row(order))
    assert found == order
    assert type(found.terms.amount_units) is int
    assert found.terms.swap_mode is SwapMode.EXACT_OUT


def test_word_of_another_release_is_no_order_of_this_one() -> None:
    with pytest.raises(ValueError, match="iceberg"):
        order_of(as_row(an_order(), order_type="iceberg"))
