"""JSON from outside: nothing in it breaks the parser, and no number loses a digit."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Code, FieldError, FieldProblem, InvalidRequestError
from chalicelib.wire.json_text import JsonLimits, JsonObject, canonical, parse_object
from chalicelib.wire.server_frames import json_text


def refusal_of(text: str | bytes) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as refused:
        parse_object(text)
    return refused.value


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "hello", '{"a":nan}', b"\xff\xfe{}", '{"a":1}x', "{'a':1}"],
)
def test_text_that_is_no_json_is_refused(text: str | bytes) -> None:
    refusal = refusal_of(text)
    assert refusal.code is Code.INVALID_JSON
    assert refusal.details == (FieldProblem("message", "must be valid JSON"),)


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"', "true"])
def test_value_that_is_no_object_is_refused(text: str) -> None:
    assert refusal_of(text).message == "message must be a JSON object"


@pytest.mark.parametrize(
    "text",
    [
        '{"amount":"1","amount":"2"}',
        '{"amount":"1","amount":"1"}',
        '{"amount" : "1","amount" :"2"}',
        '{"amount":1,"\\u0061mount":2}',
        '{"side":"sell","trigger":{"price":"1:2","amount":1,"amount":2}}',
        '{"orders":[{"amount":"1"},{"amount":"1","side":"buy","amount":"2"}]}',
        '{"amount":"1","requestId":"' + "x:" * 250 + '","amount":"2"}',
        '{"a":' + "1" * 400 + ',"amount":1,"amount":2}',
        '{"amount":"1","amount":"2"}'.encode("utf-16"),
    ],
)
def test_member_that_stands_twice_is_refused_by_its_name(text: str | bytes) -> None:
    refusal = refusal_of(text)
    assert refusal.code is Code.INVALID_REQUEST
    assert refusal.details == (FieldProblem("amount", "must stand once in its object"),)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "a:", ":"]), st.sampled_from(["1", '":"', '{"a":[]}']))),
    st.sampled_from(["", " "]),
)
def test_members_are_refused_exactly_if_one_stands_twice(members: list[tuple[str, str]], space: str) -> None:
    text = "{" + ",".join(f'"{name}"{space}:{space}{value}' for name, value in members) + "}"
    names = [name for name, _ in members]
    try:
        is_refused = len(parse_object(text)) < 0
    except FieldError as refusal:
        is_refused = refusal.details[0].problem == "must stand once in its object"
    assert is_refused == (len(set(names)) < len(names))


# Python's parser gives up within these, or reads them whole: 3.14 reads what 3.11 does not.
@pytest.mark.parametrize(
    "text", ['{"a":' + "[" * 16_000 + "]" * 16_000 + "}", '{"a":' * 5_000 + "1" + "}" * 5_000]
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert refusal_of(text).code is Code.JSON_TOO_DEEP


def test_message_beyond_the_limit_is_refused_unread() -> None:
    assert refusal_of('{"a":"' + "x" * 32_768 + '"}').code is Code.MESSAGE_TOO_LARGE
    assert refusal_of("x" * 100_000).code is Code.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    "number", ["1e400", "0.1", "1.10", "-0.0", "1E5", "3.141592653589793238462643383279502884197"]
)
def test_number_with_fraction_or_exponent_keeps_its_digits(number: str) -> None:
    assert parse_object(f'{{"amount":{number}}}') == {"amount": number}


@given(
    st.dictionaries(
        st.text(max_size=12),
        st.recursive(
            st.text(max_size=12) | st.integers(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=12), inner),
        ),
        max_size=3,
    )
)
def test_message_that_is_shorter_than_a_text_may_be_is_judged_like_any_other(members: JsonObject) -> None:
    limits = JsonLimits(depth_max=3, text_length_max=10)

    def code_of(text: str) -> str | None:
        try:
            parse_object(text, limits)
        except InvalidRequestError as refusal:
            return refusal.code
        return None

    said = json.dumps(members, ensure_ascii=False)
    assert code_of(said) == code_of(said + " " * limits.text_length_max)


@given(st.text())
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(InvalidRequestError):
        assert isinstance(parse_object(text), dict)


@pytest.mark.parametrize("digits", ["NaN", "Infinity", "-Infinity", "1.50", "1e400", "1" * 400])
def test_number_that_is_no_plain_integer_keeps_its_digits(digits: str) -> None:
    assert parse_object('{"amount":' + digits + "}") == {"amount": digits}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_bytes_are_read_in_whichever_encoding_json_knows(encoding: str) -> None:
    assert parse_object('{"é":1}'.encode(encoding)) == {"é": 1}


def test_byte_order_mark_in_text_is_no_json() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_object("\ufeff{}")
    assert refused.value.code is Code.INVALID_JSON


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
_VALUES = _PLAIN | st.lists(st.dictionaries(_TEXTS, _PLAIN, max_size=3), max_size=2)


@given(st.dictionaries(_TEXTS, _VALUES, max_size=4))
def test_canonical_text_is_that_of_the_standard_encoder(fields: dict[str, object]) -> None:
    """Hashes on record are of that text."""
    assert canonical(fields) == json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@given(st.dictionaries(_TEXTS, _TEXTS | st.integers() | st.none() | st.booleans(), max_size=4))
def test_what_is_sorted_already_is_spelled_alike_by_the_encoder_of_frames(fields: dict[str, object]) -> None:
    """So long events are spelled, which takes two fifths of the time."""
    assert json_text(dict(sorted(fields.items()))) == canonical(fields)
