import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.gateway.events import ApiIdentity, request_time
from chalice_offline.gateway.ids import is_well_formed, new_ids, new_trace_id


@pytest.mark.parametrize(
    ("now_ms", "text"),
    [(1_708_326_702_123, "19/Feb/2024:07:11:42 +0000"), (0, "01/Jan/1970:00:00:00 +0000")],
)
def test_request_time_is_in_the_common_log_format(now_ms: int, text: str) -> None:
    assert request_time(now_ms) == text


def test_request_time_does_not_depend_on_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert request_time(0) == "01/Jan/1970:00:00:00 +0000"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_method_arn_of_connect_has_stage_and_no_method() -> None:
    api = ApiIdentity("abc", "123456789012", "eu-west-1", "ws", "example")
    assert api.method_arn("$connect") == "arn:aws:execute-api:eu-west-1:123456789012:abc/ws/$connect"


@given(st.binary(min_size=11, max_size=11))
def test_every_new_id_is_well_formed(entropy: bytes) -> None:
    made = new_ids(lambda size: entropy * (size // len(entropy)))
    assert all(map(is_well_formed, made))


def test_trace_id_carries_the_time_and_96_random_bits() -> None:
    assert (
        new_trace_id(lambda size: b"\xab" * size, now_ms=1_700_000_000_999) == f"Root=1-6553f100-{'ab' * 12}"
    )
