"""Every parser of something from outside answers with its own refusal, whatever it is given."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.token_list import load_tokens
from chalicelib.domain.errors import InvalidRequestError
from chalicelib.wire.client_frames import parse_client_frame, request_id_of
from chalicelib.wire.json_text import DEFAULT_LIMITS, parse_object
from chalicelib.wire.order_fields import OrderFields, order_fields_from_query, swap_terms
from chalicelib.wire.queue_messages import parse_message
from tests.fuzz.hostile import ACTIONS, NAMES, TEXTS, Hostile

TOKENS = load_tokens()

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.sampled_from(TEXTS)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
actions = st.sampled_from(ACTIONS) | values
objects = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), values, max_size=6)
messages = st.one_of(
    st.text(max_size=200),
    objects.map(json.dumps),
    st.tuples(objects, actions).map(lambda pair: json.dumps(pair[0] | {"action": pair[1]})),
    st.integers(0, 2**32).map(lambda seed: Hostile(seed).message()),
)


def refused(parse: Callable[[], Any], kind: type[Exception] = InvalidRequestError) -> bool:
    """Run a parser; return whether it refused. Any other exception escapes and fails the test."""
    try:
        parse()
    except kind:
        return True
    return False


@settings(max_examples=400, deadline=None)
@given(messages)
def test_client_frame_is_read_or_refused(text: str) -> None:
    def parse() -> None:
        fields = parse_client_frame(text).fields
        if isinstance(fields, OrderFields):
            terms = fields.terms(TOKENS)
            assert 0 < terms.amount_units < 2**64
            assert terms.input_token != terms.output_token

    refused(parse)
    mark = request_id_of(text)
    assert mark is None or (0 < len(mark) <= 128 and mark.isprintable())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | messages.map(lambda text: text.encode(errors="surrogatepass")))
def test_body_is_read_or_refused(body: bytes) -> None:
    def parse() -> None:
        members = parse_object(body)
        # What was read can be written again, without a float that would have lost digits on the way.
        assert not _floats(members)

    refused(parse)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS) | st.text(max_size=40), max_size=6))
def test_connection_url_is_read_or_refused(query: dict[str, str]) -> None:
    refused(lambda: swap_terms(order_fields_from_query(query), TOKENS))


@settings(max_examples=300, deadline=None)
@given(messages | objects.map(lambda members: json.dumps({"kind": "order", "order": members})))
def test_queue_message_is_read_or_refused(body: str) -> None:
    refused(lambda: parse_message(body), ValueError)


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_refused_at_any_depth(opening: str, size: int) -> None:
    text = '{"a":' + opening * size
    assert refused(lambda: parse_object(text))
    assert refused(lambda: parse_object(text.encode()))


def test_limits_of_the_parser_are_those_of_the_settings() -> None:
    from chalicelib.config import Settings

    chosen = Settings()
    assert (chosen.message_bytes_max, chosen.json_depth_max, chosen.text_length_max) == (
        DEFAULT_LIMITS.bytes_max,
        DEFAULT_LIMITS.depth_max,
        DEFAULT_LIMITS.text_length_max,
    )


def _floats(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_floats, value.values()))
    if isinstance(value, list):
        return any(map(_floats, value))
    return isinstance(value, float)
