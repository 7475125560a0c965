"""Connections that did not take a frame a moment ago, which no other connection shall wait for."""

from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import Final

MOMENT_S: Final = 10.0
"""After so long without another failure a connection is waited for again."""
LEFT_OUT_S: Final = 3.0
"""For so long nothing is sent where nothing was answered: less than the pause before catching up."""
_MOST: Final = 10_000


class SlowConnections:
    """Remembered in this process alone; safe to share between threads."""

    def __init__(self) -> None:
        # When each failed last, and until when it is left out; the last to fail is the last here.
        self._failed: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    @property
    def has_any(self) -> bool:
        """Whether anything but the usual is known of some connection."""
        return bool(self._failed)

    def failed(self, connection_id: str, *, was_silent: bool) -> None:
        """Note a connection that took nothing: it was refused, or nothing was answered at all."""
        now = monotonic()
        with self._lock:
            self._failed.pop(connection_id, None)
            self._failed[connection_id] = (now, now + LEFT_OUT_S if was_silent else now)
            if len(self._failed) > _MOST:
                self._failed.popitem(last=False)

    def took(self, connection_id: str) -> None:
        """Note a connection that took all there was, or is no more."""
        # Most are not here, and are not worth the lock.
        if connection_id in self._failed:
            with self._lock:
                self._failed.pop(connection_id, None)

    def is_slow(self, connection_id: str) -> bool:
        """Return whether a connection gets one try, and no wait."""
        found = self._failed.get(connection_id)
        return found is not None and monotonic() - found[0] < MOMENT_S

    def is_left_out(self, connection_id: str) -> bool:
        """Return whether a connection gets nothing now."""
        found = self._failed.get(connection_id)
        return found is not None and monotonic() < found[1]
