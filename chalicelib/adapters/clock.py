"""The one place that reads the system's clock."""

import time
from datetime import UTC, datetime

from chalicelib.adapters.time_left import time_left


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass, but none that the invocation does not have."""
        time.sleep(time_left.for_work(seconds))
