"""Frames about resting orders and about several orders: what they take, and how they refuse."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.errors import FieldError, InvalidRequestError
from chalicelib.domain.terms import OrderType
from chalicelib.wire.fields import WireModel, validated
from chalicelib.wire.resting_fields import meant_fields
from chalicelib.wire.resting_frames import (
    BATCH_ORDERS_MAX,
    AmendFields,
    CancelAllFields,
    DryRunFields,
    SubmitBatchFields,
    each_of,
)

ORDER_ID = str(uuid4())


def refusal_of(model: type[WireModel], members: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as refused:
        meant_fields(model, members)
    return {problem.field: problem.problem for problem in refused.value.details}


def test_amend_names_an_order_and_what_changes() -> None:
    fields = meant_fields(
        AmendFields,
        {"orderId": ORDER_ID, "ifSeq": 2, "limitPrice": "151.5", "amount": "2"},
    )
    assert (fields.order_id, fields.if_seq, fields.limit_price, fields.amount) == (
        UUID(ORDER_ID),
        2,
        "151.5",
        "2",
    )
    assert (fields.trigger_price, fields.expires_at) == (None, None)


def test_amend_that_changes_nothing_is_refused() -> None:
    found = refusal_of(AmendFields, {"orderId": ORDER_ID, "ifSeq": 2})
    assert found == {"message": "must change limitPrice, triggerPrice, amount or expiresAt"}


def test_amend_with_a_name_that_is_nearly_known_is_refused() -> None:
    found = refusal_of(AmendFields, {"orderId": ORDER_ID, "amount": "1", "limit_price": "1", "ifSeqs": 3})
    assert found.keys() == {"limit_price", "ifSeqs"}


def test_cancel_all_takes_filters_or_none() -> None:
    assert meant_fields(CancelAllFields, {}) == CancelAllFields()
    fields = meant_fields(CancelAllFields, {"baseAsset": "SOL", "types": ["limit", "sniper"]})
    assert (fields.base_asset, fields.types) == ("SOL", (OrderType.LIMIT, OrderType.SNIPER))


@pytest.mark.parametrize("types", [[], ["stop"], "limit", [1]])
def test_cancel_all_of_unknown_types_is_refused_rather_than_taken_as_all(types: Any) -> None:
    assert any(field.startswith("types") for field in refusal_of(CancelAllFields, {"types": types}))


def test_cancel_all_with_a_misspelt_filter_does_not_cancel_everything() -> None:
    assert "did you mean baseAsset?" in refusal_of(CancelAllFields, {"base_asset": "SOL"})["base_asset"]
    assert "did you mean types?" in refusal_of(CancelAllFields, {"type": ["limit"]})["type"]


@pytest.mark.parametrize("orders", [[], [{}] * (BATCH_ORDERS_MAX + 1), {}, "orders", None, 1])
def test_batch_is_a_list_of_one_to_twenty(orders: Any) -> None:
    assert "must be a list of 1 to 20 orders" in refusal_of(SubmitBatchFields, {"orders": orders})["orders"]


def test_each_order_of_a_batch_is_read_by_itself() -> None:
    batch = validated(SubmitBatchFields, {"orders": [{"dryRun": True}, 7, {"dryRun": "yes"}, {}]})
    found = each_of(batch, lambda members: validated(DryRunFields, members).dry_run)
    assert (found[0], found[3]) == (True, False)
    assert isinstance(found[1], FieldError)
    assert found[1].details[0].field == "orders.1"
    assert isinstance(found[2], InvalidRequestError)
