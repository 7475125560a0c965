"""Many request flows with one server at once, in one thread.

A thread for each waits for the interpreter whenever its answer comes while another one computes, up to the
switch interval of 5 ms; and each hand-over costs about as much processor time as the request itself.
"""

import math
import select
from collections import deque
from collections.abc import Collection, Hashable, Mapping
from time import monotonic
from typing import Final, Generic, TypeVar

from chalicelib.adapters.aws.connection_pool import ConnectionPool
from chalicelib.adapters.aws.http_request import Answers, HttpRequest, Pause, RequestFlow, Result
from chalicelib.adapters.aws.http_response import ProtocolError

SOCKETS_MAX: Final = 16
"""Request flows under way at once; the others wait for their turn."""
LINGER_S: Final = 0.2
"""For so long those that had to pause, or are not to be waited for, may go on when the others have ended."""
_ROUND_LIMITS: Final = 2

Key = TypeVar("Key", bound=Hashable)


class _KeyedRequest(HttpRequest, Generic[Key, Result]):
    """A request flow of a round, its requests, and what their connection is watched for."""

    __slots__ = ("flow", "is_slow", "key", "watched")

    def __init__(self, key: Key, flow: RequestFlow[Result], deadline: float, *, is_slow: bool) -> None:
        super().__init__(deadline)
        self.key = key
        self.flow = flow
        self.watched = 0
        self.is_slow = is_slow


class ConcurrentRequests(Generic[Key, Result]):
    """One round of request flows; each has the time limit for itself, from its first request on.

    All of them together have twice that. Once one has ended and those left are slow, they have ``LINGER_S``
    more: with one service behind all of them, what others were given at once is not to be had for these.
    """

    def __init__(self, pool: ConnectionPool, *, time_limit_s: float, linger_s: float = LINGER_S) -> None:
        self._pool = pool
        self._time_limit_s = time_limit_s
        self._linger_s = linger_s
        self._poll = select.poll()
        self._asking: dict[int, _KeyedRequest[Key, Result]] = {}
        self._pausing: list[tuple[float, _KeyedRequest[Key, Result]]] = []
        # No pause and no request flow's time ends before this.
        self._earliest = math.inf
        self._results: dict[Key, Result] = {}
        # Request flows that are not slow, begun or not.
        self._brisk = 0
        self._last_deadline = math.inf

    def run(self, flows: Mapping[Key, RequestFlow[Result]], hasty: Collection[Key] = ()) -> dict[Key, Result]:
        """Return the results of the request flows that ended in time;
        the ``hasty`` count as slow from the start.
        """
        waiting = deque(flows.items())
        self._brisk = sum(key not in hasty for key in flows)
        self._last_deadline = monotonic() + _ROUND_LIMITS * self._time_limit_s
        try:
            while waiting or self._asking or self._pausing:
                if waiting and monotonic() >= self._last_deadline:
                    waiting.clear()
                while waiting and len(self._asking) < SOCKETS_MAX:
                    key, flow = waiting.popleft()
                    deadline = min(monotonic() + self._time_limit_s, self._last_deadline)
                    self._earliest = min(self._earliest, deadline)
                    self._go_on(_KeyedRequest(key, flow, deadline, is_slow=key in hasty), None)
                if not self._brisk and self._results:
                    self._hurry()
                if self._asking or self._pausing:
                    self._wait()
        finally:
            for request in list(self._asking.values()):
                self._hang_up(request)
        return self._results

    def _wait(self) -> None:
        """Wait for an answer or the end of a pause or of a request flow's time, and go on from there."""
        for fileno, _ in self._poll.poll(max(0.0, self._earliest - monotonic()) * 1000):
            self._transfer(self._asking[fileno])
        now = monotonic()
        if now >= self._earliest:
            self._look_at_the_clock(now)

    def _hurry(self) -> None:
        """Have the request flows that are left end soon; done once."""
        self._brisk = -1
        self._last_deadline = min(self._last_deadline, monotonic() + self._linger_s)
        for request in [*self._asking.values(), *(each for _, each in self._pausing)]:
            request.deadline = min(request.deadline, self._last_deadline)
        self._pausing = [(min(until, request.deadline), request) for until, request in self._pausing]
        self._earliest = min(self._earliest, self._last_deadline)

    def _slow_down(self, request: _KeyedRequest[Key, Result]) -> None:
        if not request.is_slow:
            request.is_slow = True
            self._brisk -= 1

    def _look_at_the_clock(self, now: float) -> None:
        for request in [each for each in self._asking.values() if each.deadline <= now]:
            self._slow_down(request)
            self._hang_up(request)
        due = [request for at, request in self._pausing if at <= now]
        self._pausing = [each for each in self._pausing if each[0] > now]
        moments = [request.deadline for request in self._asking.values()] + [at for at, _ in self._pausing]
        self._earliest = min(moments, default=math.inf)
        for request in due:
            if request.deadline > now:
                self._earliest = min(self._earliest, request.deadline)
                self._go_on(request, ())

    def _go_on(self, request: _KeyedRequest[Key, Result], answers: Answers | None) -> None:
        """Hand answers to a request flow, None to begin it, and do what it wants next."""
        try:
            wanted = next(request.flow) if answers is None else request.flow.send(answers)
        except StopIteration as end:
            self._results[request.key] = end.value
            self._slow_down(request)
            self._release(request)
            return
        if isinstance(wanted, Pause):
            self._slow_down(request)
            self._release(request)
            until = min(monotonic() + wanted.seconds, request.deadline)
            self._earliest = min(self._earliest, until)
            self._pausing.append((until, request))
            return
        request.answers = []
        try:
            if request.connection is None:
                request.connection = self._pool.take(max(0.0, request.deadline - monotonic()))
                self._asking[request.connection.fileno] = request
            request.ask(wanted)
        except OSError:
            self._fail(request)
            return
        self._watch(request)

    def _transfer(self, request: _KeyedRequest[Key, Result]) -> None:
        try:
            is_answered = request.advance()
        except (OSError, ProtocolError, ValueError):
            self._fail(request)
            return
        if not is_answered:
            self._watch(request)
            return
        if not request.answers[-1].is_reusable:
            self._hang_up(request)
        self._go_on(request, request.answers)

    def _watch(self, request: _KeyedRequest[Key, Result]) -> None:
        if request.watched != request.wanted and request.connection is not None:
            self._poll.register(request.connection.fileno, request.wanted)
            request.watched = request.wanted

    def _fail(self, request: _KeyedRequest[Key, Result]) -> None:
        self._hang_up(request)
        self._go_on(request, request.answers)

    def _release(self, request: _KeyedRequest[Key, Result]) -> None:
        """Keep a request flow's connection for others."""
        connection = request.connection
        if connection is not None:
            self._forget(request, connection.fileno)
            self._pool.give_back(connection)

    def _hang_up(self, request: _KeyedRequest[Key, Result]) -> None:
        """Close a request flow's connection: a late answer must not be taken for the next request's."""
        connection = request.connection
        if connection is not None:
            self._forget(request, connection.fileno)
            connection.close()

    def _forget(self, request: _KeyedRequest[Key, Result], fileno: int) -> None:
        request.connection = None
        del self._asking[fileno]
        if request.watched:
            request.watched = 0
            self._poll.unregister(fileno)
