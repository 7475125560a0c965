"""Field types that messages share: what each takes, digit for digit, and how a broken rule is told."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chalicelib.domain.errors import InvalidRequestError
from chalicelib.wire.fields import (
    CLIENT_ORDER_ID_LENGTH_MAX,
    TEXT_LENGTH_MAX,
    AmountText,
    ClientOrderId,
    OrderId,
    PrintableText,
    WholeNumber,
    WireModel,
    validated,
)
from chalicelib.wire.json_text import parse_object


class Fields(WireModel):
    """One of each."""

    some_text: PrintableText = "x"
    client_order_id: ClientOrderId = "x"
    amount: AmountText = "1"
    order_id: OrderId = UUID(int=1)
    whole: WholeNumber = 1


def read(**members: Any) -> Fields:
    """Read members as they come off the wire."""
    return validated(Fields, parse_object(json.dumps(members)))


def read_json(text: str) -> Fields:
    return validated(Fields, parse_object(text))


def problems(members: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequestError) as refused:
        read(**members)
    return [(each.field, each.problem) for each in refused.value.details]


def test_names_are_camel_case_outside_and_unknown_members_are_ignored() -> None:
    assert read(someText="a", some_text="b", other=1).some_text == "a"


@pytest.mark.parametrize("field", ["someText", "clientOrderId"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (7, "must be text"),
        (0.5, "must be text"),
        (None, "must be text"),
        ("", "must have at least 1 character"),
        ("a\x00", "must consist of printable characters"),
        ("a\u202eb", "must consist of printable characters"),
        ("\ud800", "must be text"),
    ],
)
def test_text_that_cannot_be_shown_or_stored_is_refused(field: str, value: Any, problem: str) -> None:
    assert problems({field: value}) == [(field, problem)]


@pytest.mark.parametrize("text", ["\ufffd", "caf\ufffd"])
def test_key_that_lost_bytes_on_its_way_is_refused_since_other_keys_became_the_same(text: str) -> None:
    # What API Gateway and URL decoders put in place of each byte that is no UTF-8: é and è of latin-1 alike.
    assert problems({"clientOrderId": text}) == [("clientOrderId", "must be UTF-8, without U+FFFD")]
    assert read(someText=text).some_text == text


@pytest.mark.parametrize(
    ("field", "longest"), [("someText", TEXT_LENGTH_MAX), ("clientOrderId", CLIENT_ORDER_ID_LENGTH_MAX)]
)
def test_text_may_be_so_long_and_no_longer(field: str, longest: int) -> None:
    read(**{field: "x" * longest})
    assert problems({field: "x" * (longest + 1)}) == [(field, f"must have at most {longest} characters")]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ('"1.5"', "1.5"),
        ("7", "7"),
        ("9" * 100, "9" * 100),
        ("1.50", "1.50"),
        ("15e-1", "1.5"),
        ("1E3", "1000"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ],
)
def test_amount_keeps_every_digit_whether_text_or_number(text: str, amount: str) -> None:
    assert read_json(f'{{"amount":{text}}}').amount == amount


@pytest.mark.parametrize("value", [True, None, [], {}])
def test_amount_that_is_no_number_is_refused(value: Any) -> None:
    assert problems({"amount": value}) == [("amount", 'must be a decimal number, such as 1.5 or "1.5"')]


@pytest.mark.parametrize("number", ["1e9999", "1e99999999999999999999"])
def test_exponent_that_stands_for_a_billion_zeros_is_not_written_out(number: str) -> None:
    assert read_json(f'{{"amount":{number}}}').amount == number


@pytest.mark.parametrize(
    "text", ["0192f3a4-5b6c-7d8e-9f01-23456789abcd", "0192F3A4-5B6C-7D8E-9F01-23456789ABCD"]
)
def test_order_id_is_a_uuid_in_either_case(text: str) -> None:
    assert read(orderId=text).order_id == UUID(text)


@pytest.mark.parametrize(
    "value",
    [7, "7", uuid4().hex, f"{{{uuid4()}}}", f"urn:uuid:{uuid4()}", f" {uuid4()}", None],
    ids=["number", "digit", "hex", "braces", "urn", "space", "none"],
)
def test_order_id_in_any_other_form_is_refused(value: Any) -> None:
    ((field, problem),) = problems({"orderId": value})
    assert (field, problem.startswith("must be a UUID")) == ("orderId", True)


@pytest.mark.parametrize(("text", "number"), [("50", 50), ("50.0", 50), ("5e1", 50), ("-3", -3), ("-0", 0)])
def test_whole_number_is_one_however_it_is_written(text: str, number: int) -> None:
    assert read_json(f'{{"whole":{text}}}').whole == number


@pytest.mark.parametrize("text", ["0.5", "1e-1", '"5"', "true", "null"])
def test_anything_else_is_no_whole_number(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_json(f'{{"whole":{text}}}')


def test_every_broken_rule_is_told_at_once() -> None:
    assert [field for field, _ in problems({"someText": "", "amount": True, "whole": "x"})] == [
        "someText",
        "amount",
        "whole",
    ]
