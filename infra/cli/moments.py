"""Times of the record as the commands show them: in UTC, whatever the zone of the server."""

from datetime import UTC, datetime


def in_utc(at: datetime) -> str:
    """Return a time for JSON."""
    return at.astimezone(UTC).isoformat()


def to_the_second(at: str) -> str:
    """Return a time for people, with its date."""
    return _whole(at, "seconds")


def to_the_millisecond(at: str) -> str:
    """Return the same with a fraction: the record writes no zeros at its end."""
    return _whole(at, "milliseconds")


def _whole(at: str, timespec: str) -> str:
    return datetime.fromisoformat(at).astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec)
