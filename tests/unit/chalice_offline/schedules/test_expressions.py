"""EventBridge's schedule expressions."""

from datetime import UTC, datetime

import pytest

from chalice_offline.schedules.expressions import ScheduleError, parse_schedule

# A Saturday.
START = datetime(2026, 11, 21, 10, 30, 20, tzinfo=UTC)


def firings(expression: str, count: int) -> list[str]:
    schedule = parse_schedule(expression)
    moment = START
    found = []
    for _ in range(count):
        following = schedule.next_after(moment)
        assert following is not None
        moment = following
        found.append(moment.strftime("%Y-%m-%d %H:%M:%S"))
    return found


@pytest.mark.parametrize(
    ("expression", "first_two"),
    [
        ("rate(1 minute)", ["2026-11-21 10:31:20", "2026-11-21 10:32:20"]),
        ("rate(12 hours)", ["2026-11-21 22:30:20", "2026-11-22 10:30:20"]),
        ("rate(2 days)", ["2026-11-23 10:30:20", "2026-11-25 10:30:20"]),
        ("cron(* * * * ? *)", ["2026-11-21 10:31:00", "2026-11-21 10:32:00"]),
        ("cron(0/20 * * * ? *)", ["2026-11-21 10:40:00", "2026-11-21 11:00:00"]),
        ("cron(15 12 * * ? *)", ["2026-11-21 12:15:00", "2026-11-22 12:15:00"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01 08:00:00", "2027-01-01 08:00:00"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-11-23 18:00:00", "2026-11-24 18:00:00"]),
        ("cron(0 9 ? * 1,7 *)", ["2026-11-22 09:00:00", "2026-11-28 09:00:00"]),
        ("cron(0 0 L * ? *)", ["2026-11-30 00:00:00", "2026-12-31 00:00:00"]),
        ("cron(0 0 ? * 6L *)", ["2026-11-27 00:00:00", "2026-12-25 00:00:00"]),
        ("cron(0 0 ? * 3#2 *)", ["2026-12-08 00:00:00", "2027-01-12 00:00:00"]),
        ("cron(0 0 L-3 * ? *)", ["2026-11-27 00:00:00", "2026-12-28 00:00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-11-30 00:00:00", "2026-12-31 00:00:00"]),
        ("cron(0/30 23-0 ? * MON-FRI *)", ["2026-11-23 00:00:00", "2026-11-23 00:30:00"]),
        ("cron(0 22-1/2 * * ? *)", ["2026-11-21 22:00:00", "2026-11-22 00:00:00"]),
        ("cron(0 0 ? * SAT-MON *)", ["2026-11-22 00:00:00", "2026-11-23 00:00:00"]),
        ("cron(0 0 1 NOV-JAN ? *)", ["2026-12-01 00:00:00", "2027-01-01 00:00:00"]),
        ("cron(0 0 15W * ? *)", ["2026-12-15 00:00:00", "2027-01-15 00:00:00"]),
        ("cron(0 0 1W 8 ? *)", ["2027-08-02 00:00:00", "2028-08-01 00:00:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("cron(30 10 21 11 ? 2027-2028)", ["2027-11-21 10:30:00", "2028-11-21 10:30:00"]),
    ],
)
def test_expression_fires_when_eventbridge_would(expression: str, first_two: list[str]) -> None:
    assert firings(expression, 2) == first_two


def test_schedule_whose_years_have_passed_never_fires() -> None:
    assert parse_schedule("cron(0 0 1 1 ? 2020)").next_after(START) is None


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(5 seconds)",
        "every minute",
        "cron(0 0 * * *)",
        "cron(0 0 * * * *)",
        "cron(0 0 ? * ? *)",
        "cron(60 0 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 0 ? * 0 *)",
        "cron(0 0 * 13 ? *)",
        "cron(x 0 * * ? *)",
        "cron(0/0 0 * * ? *)",
    ],
)
def test_expression_that_eventbridge_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        parse_schedule(expression)
