"""Base58 agrees with what Solana prints."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters import base58


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"hello world", "StV1DL6CwTryKyV"),
        (bytes(32), "1" * 32),  # the System program
        (bytes([0, 0, 57]), "11z"),
        (bytes.fromhex("0000287fb4cd"), "11233QC4"),
    ],
)
def test_bytes_of_known_texts_are_written_and_read_as_those(raw: bytes, text: str) -> None:
    assert base58.encode(raw) == text
    assert base58.decode(text) == raw


@settings(deadline=None, database=None)
@given(st.binary(max_size=80))
def test_what_is_encoded_decodes_to_itself(raw: bytes) -> None:
    assert base58.decode(base58.encode(raw)) == raw


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "a b", "é", "1" * 2001])
def test_text_that_is_no_base58_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        base58.decode(text)
