"""Frames about resting orders and about several orders: what they take, and how they refuse."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import Code, FieldError, InvalidRequestError, UnknownOutcomeError
from chalicelib.domain.order_filters import OrderFilter
from chalicelib.domain.terms import OrderType
from chalicelib.wire.answers import BatchResults
from chalicelib.wire.fields import WireModel, validated
from chalicelib.wire.resting_fields import meant_fields
from chalicelib.wire.resting_frames import (
    BATCH_ORDERS_MAX,
    AmendFields,
    CancelAllFields,
    DryRunFields,
    SubmitBatchFields,
    amend_fields,
    cancel_filters,
    each_of,
    filter_fields,
    is_dry,
    is_dry_by_query,
)
from chalicelib.wire.server_frames import json_text
from chalicelib.wire.several_orders import batched_terms, results
from tests.fakes.orders import an_order

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


@pytest.mark.parametrize(("seq", "is_one"), [(0, False), (1, True), (2**31 - 1, True), (2**31, False)])
def test_number_of_an_event_that_no_order_can_have_is_refused(seq: int, *, is_one: bool) -> None:
    members = {"orderId": ORDER_ID, "ifSeq": seq, "amount": "1"}
    if is_one:
        assert amend_fields(AmendFields, members).if_seq == seq
    else:
        assert refusal_of(AmendFields, members).keys() == {"ifSeq"}


@pytest.mark.parametrize("name", ["side", "outputToken", "slippageBps", "confirmations", "maxFeeBps"])
def test_amend_that_names_what_stays_as_it_is_is_refused(name: str) -> None:
    members = {"orderId": ORDER_ID, "amount": "1", "note": "mine", "clientOrderId": "x"}
    assert amend_fields(AmendFields, members).amount == "1"
    with pytest.raises(InvalidRequestError, match=f"{name} cannot be amended"):
        amend_fields(AmendFields, members | {name: 1})


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


def test_cancel_all_with_any_name_that_is_no_filter_does_not_cancel_everything() -> None:
    for name in ("status", "kind", "account", "side", "orderId"):
        with pytest.raises(InvalidRequestError, match=f"{name} is not a filter"):
            filter_fields(CancelAllFields, {name: "x"})
    with pytest.raises(InvalidRequestError, match="did you mean baseAsset"):
        filter_fields(CancelAllFields, {"base_asset": "SOL"})
    asked = {"action": "cancelAll", "requestId": "r", "quoteAsset": "USDC", "note": None}
    assert filter_fields(CancelAllFields, asked) == validated(CancelAllFields, {"quoteAsset": "USDC"})


def cancel_all(**members: str) -> CancelAllFields:
    return validated(CancelAllFields, members)


def test_filter_names_listed_tokens_whichever_way_they_are_spelt() -> None:
    tokens = load_tokens()
    mint = tokens["USDC"].mint
    assert cancel_filters(cancel_all(), tokens) == OrderFilter()
    found = cancel_filters(cancel_all(baseAsset="sol", quoteAsset=mint), tokens)
    assert found == OrderFilter("SOL", "USDC")
    with pytest.raises(FieldError, match="baseAsset must be a known token"):
        cancel_filters(cancel_all(baseAsset="DOGE"), tokens)
    with pytest.raises(FieldError, match="quoteAsset must differ"):
        cancel_filters(cancel_all(baseAsset="SOL", quoteAsset="SOL"), tokens)


@pytest.mark.parametrize(
    ("members", "is_asked"),
    [({}, False), ({"dryRun": None}, False), ({"dryRun": False}, False), ({"dryRun": True}, True)],
)
def test_frame_says_that_it_is_a_dry_run_by_true_alone(members: dict[str, Any], *, is_asked: bool) -> None:
    assert is_dry(members) is is_asked
    with pytest.raises(InvalidRequestError, match="dryRun must be true or false"):
        is_dry({"dryRun": 1})


@pytest.mark.parametrize(
    ("query", "is_asked"), [({}, False), ({"dryRun": "true"}, True), ({"dryRun": "false"}, False)]
)
def test_url_says_that_it_is_a_dry_run_in_one_way(query: dict[str, str], *, is_asked: bool) -> None:
    assert is_dry_by_query(query) is is_asked


@pytest.mark.parametrize("query", [{"dryRun": "1"}, {"dryrun": "true"}, {"dry_run": "true"}, {"dryRun": ""}])
def test_url_that_means_a_dry_run_and_says_it_otherwise_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        is_dry_by_query(query)


def test_result_of_each_order_is_its_id_or_why_it_has_none() -> None:
    order = an_order(client_order_id="x")
    unknown = UnknownOutcomeError("ask", order.order_id)
    shown = results([order, FieldError("amount", "is required"), unknown])
    body = BatchResults.model_validate_json(json_text({"results": shown}))
    assert [(each.order_id, each.client_order_id, each.code) for each in body.results] == [
        (order.order_id, "x", None),
        (None, None, Code.INVALID_REQUEST),
        (order.order_id, None, Code.OUTCOME_UNKNOWN),
    ]


def test_order_of_a_batch_that_is_to_be_a_dry_run_is_refused() -> None:
    members = {"side": "sell", "amount": "1"}
    assert batched_terms(members | {"dryRun": False}, load_tokens()).input_token == "SOL"
    with pytest.raises(FieldError, match="dryRun does not go in a batch"):
        batched_terms(members | {"dryRun": True}, load_tokens())


def test_cancel_all_with_a_misspelt_filter_does_not_cancel_everything() -> None:
    assert "did you mean baseAsset?" in refusal_of(CancelAllFields, {"base_asset": "SOL"})["base_asset"]
    assert "did you mean types?" in refusal_of(CancelAllFields, {"type": ["limit"]})["type"]


@pytest.mark.parametrize("orders", [[], [{}] * (BATCH_ORDERS_MAX + 1), {}, "orders", None, 1])
def test_batch_is_a_list_of_one_to_twenty(orders: Any) -> None:
    assert "must be a list of 1 to 20 orders" in refusal_of(SubmitBatchFields, {"orders": orders})["orders"]


@pytest.mark.parametrize("number", [1, 20])
def test_batch_may_be_of_one_order_and_of_twenty(number: int) -> None:
    assert len(validated(SubmitBatchFields, {"orders": [{}] * number}).orders) == number


def test_each_order_of_a_batch_is_read_by_itself() -> None:
    batch = validated(SubmitBatchFields, {"orders": [{"dryRun": True}, 7, {"dryRun": "yes"}, {}]})
    found = each_of(batch, lambda members: validated(DryRunFields, members).dry_run)
    assert (found[0], found[3]) == (True, False)
    assert isinstance(found[1], FieldError)
    assert found[1].details[0].field == "orders.1"
    assert isinstance(found[2], InvalidRequestError)
