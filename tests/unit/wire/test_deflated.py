"""Deflated texts: what comes back, and which bytes are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.wire.deflated import UnreadableBytesError, deflated, inflated

WORDS = b'{"inputToken":"SOL","outputToken":"USDC"}'
TEXT = b'{"inputToken":"USDC","outputToken":"SOL"}'
RAW = deflated(TEXT, WORDS)


@given(st.binary(max_size=9_000), st.binary(max_size=3_000))
def test_text_comes_back(text: bytes, dictionary: bytes) -> None:
    assert inflated(deflated(text, dictionary), dictionary, bytes_max=9_000) == text


def test_text_of_the_dictionarys_words_is_short() -> None:
    assert len(RAW) < len(TEXT) / 2


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", RAW[:-1], RAW + b"\x00", deflated(bytes(1_000), WORDS)],
    ids=["nothing", "no deflate", "cut short", "followed", "too large"],
)  # fmt: skip
def test_bytes_that_are_no_such_text_are_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableBytesError):
        inflated(raw, WORDS, bytes_max=999)
