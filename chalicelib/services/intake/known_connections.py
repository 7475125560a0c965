"""Whose a connection is, where no authorizer says so with each of its events.

What was noted at its handshake.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from chalicelib.domain.errors import UnauthorizedError
from chalicelib.services.intake.limits import NotedConnection, Usage

CONNECTIONS_MAX: Final = 10_000
"""Remembered per environment; what was noted of a connection never changes."""


class KnownConnections:
    """Looks connections up, each once; safe to share between threads."""

    def __init__(self, usage: Usage, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._usage = usage
        self._connections_max = connections_max
        self._known: OrderedDict[str, NotedConnection] = OrderedDict()
        self._lock = Lock()

    def find(self, connection_id: str) -> NotedConnection:
        """Return what was noted of a connection.

        Raises:
            UnauthorizedError: Nothing is, so its handshake was never checked, or it counts as gone.
            RetryableError: The record is unreachable.
        """
        with self._lock:
            if found := self._known.get(connection_id):
                self._known.move_to_end(connection_id)
                return found
        found = self._usage.noted_connection(connection_id)
        if found is None:
            raise UnauthorizedError.bad_credential()
        with self._lock:
            self._known[connection_id] = found
            if len(self._known) > self._connections_max:
                self._known.popitem(last=False)
        return found
