"""When a schedule fires next: EventBridge's ``rate(…)`` and ``cron(…)`` expressions, in UTC.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html

No library: ``aws-croniter`` 2.1 fails for a rule that has fired for the last time, for ``L`` as a day of the
week and for ``LW``; ``croniter`` 7 counts weekdays otherwise and knows neither ``L-3`` nor ``LW``, so that
translating for it would take as much as this. Neither knows ``rate(…)``.
"""

import calendar
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

_RATE: Final = re.compile(r"rate\((\d+) (minutes?|hours?|days?)\)")
_CRON: Final = re.compile(r"cron\(([^()]+)\)")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LAST_YEAR: Final = 2199


class ScheduleError(ValueError):
    """Not an expression that EventBridge would take."""


class Schedule(Protocol):
    """A parsed expression."""

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first firing later than ``moment`` (aware, UTC), or None if there is none any more."""
        ...


@dataclass(frozen=True, slots=True)
class Rate:
    """Fires at a steady distance, the first time one such distance after the rule began."""

    every: timedelta

    def next_after(self, moment: datetime) -> datetime:
        return moment + self.every


@dataclass(frozen=True, slots=True)
class Cron:
    """Fires at whole minutes on days that match."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    is_day: Callable[[date], bool]

    def next_after(self, moment: datetime) -> datetime | None:
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.date()
        while day.year <= _LAST_YEAR:
            if day.year not in self.years:
                day = date(day.year + 1, 1, 1)
            elif day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            else:
                if self.is_day(day) and (found := self._first_on(day, start)):
                    return found
                day += timedelta(days=1)
        return None

    def _first_on(self, day: date, start: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if found >= start:
                    return found
        return None


def parse_schedule(expression: str) -> Schedule:
    """Return the schedule that an expression describes.

    Raises:
        ScheduleError: EventBridge would refuse it.
    """
    if found := _RATE.fullmatch(expression):
        value, unit = int(found[1]), found[2]
        # "The unit is singular for 1 and plural otherwise."
        if value < 1 or (value == 1) == unit.endswith("s"):
            raise ScheduleError(f"{expression}: the value must be positive and agree with its unit")
        return Rate(timedelta(**{f"{unit.rstrip('s')}s": value}))
    if found := _CRON.fullmatch(expression):
        return _parse_cron(expression, found[1].split())
    raise ScheduleError(f"{expression}: neither rate(…) nor cron(…)")


def _parse_cron(expression: str, fields: Sequence[str]) -> Cron:
    if len(fields) != 6:
        raise ScheduleError(f"{expression}: cron takes six fields")
    minutes, hours, day_of_month, month, day_of_week, year = (field.upper() for field in fields)
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ScheduleError(f"{expression}: exactly one of day-of-month and day-of-week must be ?")
    try:
        is_day = _day_of_week(day_of_week) if day_of_month == "?" else _day_of_month(day_of_month)
        return Cron(
            minutes=_values(minutes, 0, 59),
            hours=_values(hours, 0, 23),
            months=_values(month, 1, 12, names=_MONTHS),
            years=_values(year, 1970, _LAST_YEAR),
            is_day=is_day,
        )
    except ValueError as error:
        raise ScheduleError(f"{expression}: {error}") from error


def _values(field: str, low: int, high: int, *, names: Sequence[str] = ()) -> frozenset[int]:
    """Return the numbers a field stands for: lists of ``*``, ``a``, ``a-b``, each with an optional ``/step``.

    A span whose end comes before its start goes on from the lowest: ``20-2`` are the hours of a night.
    """
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = _number(first, low, names)
            end = _number(last, low, names) if last else (high if step else start)
        if not (low <= start <= high and low <= end <= high) or (step and int(step) < 1):
            raise ValueError(f"{part} is outside {low}-{high}")
        if end < start:
            end += high - low + 1
        found.update(
            low + (number - low) % (high - low + 1) for number in range(start, end + 1, int(step or 1))
        )
    return frozenset(found)


def _number(text: str, low: int, names: Sequence[str]) -> int:
    return names.index(text) + low if text in names else int(text)


def _day_of_month(field: str) -> Callable[[date], bool]:
    if field == "L":
        return lambda day: day.day == _days_in_month(day)
    if field == "LW":
        return lambda day: day.day == _nearest_weekday(day.year, day.month, 31)
    if field.startswith("L-"):
        before = int(field[2:])
        if not 0 <= before <= 30:
            raise ValueError(f"{field} is outside L-0 to L-30")
        return lambda day: day.day == _days_in_month(day) - before
    if field.endswith("W"):
        wanted = int(field[:-1])
        return lambda day: day.day == _nearest_weekday(day.year, day.month, wanted)
    days = _values(field, 1, 31)
    return lambda day: day.day in days


def _day_of_week(field: str) -> Callable[[date], bool]:
    if "#" in field:
        weekday, nth = field.split("#")
        number = _number(weekday, 1, _WEEKDAYS)
        return lambda day: _weekday(day) == number and (day.day - 1) // 7 + 1 == int(nth)
    if field.endswith("L"):
        number = _number(field[:-1], 1, _WEEKDAYS) if field != "L" else 7
        is_last_week = (
            (lambda day: day.day + 7 > _days_in_month(day)) if field != "L" else (lambda _day: True)
        )
        return lambda day: _weekday(day) == number and is_last_week(day)
    weekdays = _values(field, 1, 7, names=_WEEKDAYS)
    return lambda day: _weekday(day) in weekdays


def _weekday(day: date) -> int:
    """Return 1 for Sunday to 7 for Saturday, as cron here counts."""
    return day.isoweekday() % 7 + 1


def _days_in_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(year: int, month: int, wanted: int) -> int:
    """Return the day of the month, Monday to Friday,
    that is nearest to ``wanted`` without leaving the month.
    """
    last = calendar.monthrange(year, month)[1]
    target = min(wanted, last)
    match date(year, month, target).isoweekday():
        case 6:
            return target - 1 if target > 1 else target + 2
        case 7:
            return target + 1 if target < last else target - 2
    return target
