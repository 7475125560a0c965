"""Header values beyond ASCII: bytes that a gateway hands on as Latin-1."""

import pytest

from chalicelib.domain.errors import FieldError
from chalicelib.wire.header_text import utf8_header


@pytest.mark.parametrize("text", ["mine", "é", "ключ", "注文", "a\U0001f600b", "Ã©"])
def test_value_is_what_its_bytes_say_in_utf8(text: str) -> None:
    assert utf8_header("Idempotency-Key", text.encode().decode("latin-1")) == text


def test_value_that_was_decoded_before_is_taken_as_it_stands() -> None:
    assert utf8_header("Idempotency-Key", "注文") == "注文"


@pytest.mark.parametrize("sent", [b"\xe9", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_bytes_that_are_no_utf8_are_refused_by_name(sent: bytes) -> None:
    with pytest.raises(FieldError) as refused:
        utf8_header("Idempotency-Key", sent.decode("latin-1"))
    assert refused.value.details[0].field == "Idempotency-Key"
