"""Addresses: 32 bytes, and the one text that stands for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.solana.keys import KEY_BYTES, NO_KEY, Pubkey, address_of, pubkey

SYSTEM = "1" * 32


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_key_comes_back_from_its_text(raw: bytes) -> None:
    key = Pubkey(raw)
    assert pubkey(address_of(key)) == key


def test_key_of_zeros_is_the_system_programs() -> None:
    assert (address_of(NO_KEY), pubkey(SYSTEM)) == (SYSTEM, NO_KEY)


@pytest.mark.parametrize(
    "text", ["", "1" * 31, "1" * 33, "z" * 60, "0" * 32, "So1111111111111111111111111111111111111111l"]
)
def test_text_that_stands_for_no_32_bytes_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"bytes|base58"):
        pubkey(text)
