"""Times of the record: in UTC, whole."""

from datetime import datetime, timedelta, timezone

from infra.cli.moments import in_utc, to_the_millisecond, to_the_second

TOKYO = timezone(timedelta(hours=9))


def test_time_of_a_server_in_another_zone_is_shown_in_utc() -> None:
    at = datetime(2026, 12, 1, 8, 59, 59, 950_000, TOKYO)
    assert in_utc(at) == "2026-11-30T23:59:59.950000+00:00"
    assert to_the_second(at.isoformat()) == "2026-11-30 23:59:59"
    assert to_the_millisecond("2026-12-01T08:59:59.95+09:00") == "2026-11-30 23:59:59.950"
