"""psycopg's connections, each of whose waits for the server ends in time."""

from typing import Any, Final, TypeVar

import psycopg
from psycopg.errors import _WaitTimeout

from chalicelib.adapters.time_left import time_left

RESULT_TIME_LIMIT_S: Final = 5.0
_LOOK_AROUND_S: Final = 0.1
_SOON_S: Final = 0.001

Result = TypeVar("Result")


class TimedConnection(psycopg.Connection[Any]):
    """A connection that is given up when the server does not answer: libpq would wait for ever."""

    time_limit_s: float = RESULT_TIME_LIMIT_S

    def wait(self, gen: Any, interval: float = _LOOK_AROUND_S, timeout: float | None = None) -> Any:
        """Return what the exchange ``gen`` with the server comes to.

        Raises:
            OperationalError: There was no answer in time; the connection is closed.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(_SOON_S, time_left.for_work(self.time_limit_s)))
        except _WaitTimeout as error:
            # A late answer must not be taken for the next statement's.
            self.close()
            raise psycopg.OperationalError("the server did not answer in time") from error
