"""Moments in wire form."""

from datetime import UTC, datetime
from functools import lru_cache


# What happens at one moment says so in several places.
@lru_cache(maxsize=64)
def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC with milliseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
