"""What a connection URL says beside an order."""

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.wire.connection_url import check_names, check_once, subscription_from_query, wants_batches

ORDER_ID = "0192f3a4-5b6c-7d8e-9f01-23456789abcd"


@pytest.mark.parametrize(("query", "wanted"), [({}, False), ({"batch": "0"}, False), ({"batch": "1"}, True)])
def test_batches_are_wanted_by_those_who_say_so(query: dict[str, str], wanted: bool) -> None:
    assert wants_batches(query) is wanted


@pytest.mark.parametrize("value", ["", "2", "true", "1 ", "١"])
def test_any_other_wish_is_refused_by_name(value: str) -> None:
    with pytest.raises(FieldError, match="batch must be 1 or 0"):
        wants_batches({"batch": value})


@pytest.mark.parametrize("name", ["amount", "orderId", "trigger.price", "batch"])
def test_what_stands_twice_is_refused_by_name(name: str) -> None:
    check_once({name: ["1"], "of-a-gateway": ["1", "2"]})
    with pytest.raises(FieldError, match=f"{name} must stand once in the URL"):
        check_once({name: ["1", "2"]})


def test_subscription_begins_where_the_url_says() -> None:
    fields = subscription_from_query({"orderId": ORDER_ID, "afterSeq": "3", "batch": "1"})
    assert (str(fields.order_id), fields.after_seq) == (ORDER_ID, 3)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "٣", "9" * 10])
def test_start_that_is_no_number_is_refused_by_name(value: str) -> None:
    with pytest.raises(FieldError, match="afterSeq must be a whole number from 0"):
        subscription_from_query({"orderId": ORDER_ID, "afterSeq": value})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("limitPrice", "is of an order, which needs amount"),
        ("limit_price", "is of an order"),
        ("trigger.price", "is of an order"),
        ("input_token", "is of an order"),
        ("order_id", "did you mean orderId"),
        ("orderID", "did you mean orderId"),
        ("after_seq", "did you mean afterSeq"),
    ],
)
def test_part_of_an_order_without_one_is_refused_by_name(name: str, problem: str) -> None:
    with pytest.raises(FieldError, match=f"{name} .*{problem}"):
        check_names({name: "1", "batch": "1"})


def test_names_of_a_subscription_and_those_that_mean_nothing_are_let_pass() -> None:
    check_names(dict.fromkeys(("orderId", "afterSeq", "batch", "token", "type", "utm_source", "x"), "1"))
