"""Packed fields: what comes back, how short they are, and what bytes are refused."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.wire.packed_fields import (
    FIELDS_BYTES_MAX,
    UnreadableFieldsError,
    packed,
    unpacked,
    unpacked_text,
)

QUOTE = (
    '{"feeAmount":"0.1125","feeToken":"USDT","fees":[{"amount":"0.1125","token":"USDT"}],"inputAmount":"225",'
    '"outputAmount":"1.497533584","pool":"raydium-clmm-SOL-USDT-5","price":"0.00665570481778",'
    '"priceImpactBps":"0.07","validUntil":"2027-01-02T06:34:33.132Z","venue":"raydium"}'
)

leaves = st.none() | st.integers() | st.text()


@given(st.dictionaries(st.text(max_size=9), leaves | st.lists(leaves, max_size=3), max_size=4))
def test_fields_come_back_as_they_were(fields: dict[str, object]) -> None:
    assert unpacked(packed(json.dumps(fields))) == fields


def test_text_comes_back_as_it_was_if_it_is_on_one_line() -> None:
    assert unpacked_text(packed('{"a":1.50}')) == '{"a":1.50}'
    with pytest.raises(UnreadableFieldsError):
        unpacked_text(packed('{"a":1.50}\n'))


def test_route_takes_a_quarter_of_its_text() -> None:
    text = f'{{"quotes":[{QUOTE},{QUOTE.replace("1.4975", "1.4871")}]}}'
    assert len(packed(text)) < len(text) / 4


def test_bytes_of_the_first_dictionary_are_read_for_ever() -> None:
    written = bytes.fromhex("0123d6b85a00")
    assert unpacked(written) == json.loads('{"inputToken":"SOL","orderType":"market"}')


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02",
        b"\x01",
        b"\x01\xff\xff",
        packed('{"a":1}')[:-1],
        packed("[]"),
        packed("no json"),
        packed('{"a":"' + " " * FIELDS_BYTES_MAX + '"}'),
    ],
    ids=["nothing", "other version", "no data", "no deflate", "cut", "no object", "no json", "too large"],
)
def test_bytes_that_are_no_packed_fields_are_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableFieldsError):
        unpacked(raw)


def test_damaged_bytes_are_refused_and_not_read_as_something_else() -> None:
    whole = packed(f'{{"quotes":[{QUOTE}]}}')
    with pytest.raises(UnreadableFieldsError):
        unpacked(whole[:20] + zlib.compress(b"x"))
