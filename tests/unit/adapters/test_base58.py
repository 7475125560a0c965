import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters import base58


@settings(deadline=None, database=None)
@given(st.binary(max_size=80))
def test_what_is_encoded_decodes_to_itself(raw: bytes) -> None:
    assert base58.decode(base58.encode(raw)) == raw


def test_leading_zeros_are_kept() -> None:
    assert base58.encode(bytes(32)) == "1" * 32
    assert base58.decode("11z") == bytes([0, 0, 57])


@pytest.mark.parametrize("text", ["0", "O", "I", "l", "a b", "é", "1" * 2001])
def test_text_that_is_no_base58_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base58"):
        base58.decode(text)
