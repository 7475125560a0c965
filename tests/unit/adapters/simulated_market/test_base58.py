"""Base58 agrees with what Solana prints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.simulated_market import base58


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"hello world", "StV1DL6CwTryKyV"),
        (bytes(32), "1" * 32),  # the System program
        (bytes.fromhex("0000287fb4cd"), "11233QC4"),
    ],
)
def test_known_texts(raw: bytes, text: str) -> None:
    assert base58.encode(raw) == text
    assert base58.decode(text) == raw


@given(st.binary(max_size=64))
def test_decoding_undoes_encoding(raw: bytes) -> None:
    assert base58.decode(base58.encode(raw)) == raw


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "a b", "é"])
def test_text_outside_the_alphabet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        base58.decode(text)
