"""Moments in wire form: in UTC, always with three places."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.wire.moments import rfc3339

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-01-01T12:00:00.000Z"),
        (NOON + timedelta(microseconds=1_999), "2026-01-01T12:00:00.001Z"),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), "2026-01-01T12:00:00.000Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:30:00.000Z"),
    ],
)
def test_moment_is_told_in_utc_with_its_milliseconds_cut_off(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text
