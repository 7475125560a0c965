"""Many conversations with one server at once, in one thread.

A thread for each waits for the interpreter whenever its answer comes while another one computes, up to the switch
interval of 5 ms; and each hand-over costs about as much processor time as the request itself.
"""

import math
import select
from collections import deque
from collections.abc import Collection, Hashable, Mapping
from time import monotonic
from typing import Final, Generic, TypeVar

from chalicelib.adapters.http_exchange import Exchange, ProtocolError
from chalicelib.adapters.kept_sockets import KeptSockets
from chalicelib.adapters.talk import Conversation, Pause, Result, Talk

SOCKETS_MAX: Final = 16
"""Conversations under way at once; the others wait for their turn."""
LINGER_S: Final = 0.2
"""For so long those that had to pause, or are not to be waited for, may go on when the others have ended."""
_ROUND_LIMITS: Final = 2

Key = TypeVar("Key", bound=Hashable)


class _KeyedTalk(Talk[Result], Generic[Key, Result]):
    """A conversation of a round, and what its connection is watched for."""

    __slots__ = ("is_slow", "key", "watched")

    def __init__(
        self, key: Key, conversation: Conversation[Result], deadline: float, *, is_slow: bool
    ) -> None:
        super().__init__(conversation, deadline)
        self.key = key
        self.watched = 0
        self.is_slow = is_slow


class SideBySide(Generic[Key, Result]):
    """One round of conversations; each has the time limit for itself, from its first request on.

    All of them together have twice that. Once one has ended and those left are slow, they have ``LINGER_S`` more: with
    one service behind all of them, what others were given at once is not to be had for these.
    """

    def __init__(self, sockets: KeptSockets, *, time_limit_s: float, linger_s: float = LINGER_S) -> None:
        self._sockets = sockets
        self._time_limit_s = time_limit_s
        self._linger_s = linger_s
        self._poll = select.poll()
        self._asking: dict[int, _KeyedTalk[Key, Result]] = {}
        self._pausing: list[tuple[float, _KeyedTalk[Key, Result]]] = []
        # No pause and nobody's time ends before this.
        self._earliest = math.inf
        self._results: dict[Key, Result] = {}
        # Conversations that are not slow, begun or not.
        self._brisk = 0
        self._last_deadline = math.inf

    def run(
        self, conversations: Mapping[Key, Conversation[Result]], hasty: Collection[Key] = ()
    ) -> dict[Key, Result]:
        """Return the results of the conversations that ended in time; the ``hasty`` count as slow from the start."""
        waiting = deque(conversations.items())
        self._brisk = sum(key not in hasty for key in conversations)
        self._last_deadline = monotonic() + _ROUND_LIMITS * self._time_limit_s
        try:
            while waiting or self._asking or self._pausing:
                if waiting and monotonic() >= self._last_deadline:
                    waiting.clear()
                while waiting and len(self._asking) < SOCKETS_MAX:
                    key, conversation = waiting.popleft()
                    deadline = min(monotonic() + self._time_limit_s, self._last_deadline)
                    self._earliest = min(self._earliest, deadline)
                    self._go_on(_KeyedTalk(key, conversation, deadline, is_slow=key in hasty), None)
                if not self._brisk and self._results:
                    self._hurry()
                if self._asking or self._pausing:
                    self._wait()
        finally:
            for talk in list(self._asking.values()):
                self._hang_up(talk)
        return self._results

    def _wait(self) -> None:
        """Wait for an answer or the end of a pause or of somebody's time, and go on from there."""
        for fileno, _ in self._poll.poll(max(0.0, self._earliest - monotonic()) * 1000):
            self._transfer(self._asking[fileno])
        now = monotonic()
        if now >= self._earliest:
            self._look_at_the_clock(now)

    def _hurry(self) -> None:
        """Have the conversations that are left end soon; done once."""
        self._brisk = -1
        self._last_deadline = min(self._last_deadline, monotonic() + self._linger_s)
        for talk in [*self._asking.values(), *(each for _, each in self._pausing)]:
            talk.deadline = min(talk.deadline, self._last_deadline)
        self._pausing = [(min(until, talk.deadline), talk) for until, talk in self._pausing]
        self._earliest = min(self._earliest, self._last_deadline)

    def _slow_down(self, talk: _KeyedTalk[Key, Result]) -> None:
        if not talk.is_slow:
            talk.is_slow = True
            self._brisk -= 1

    def _look_at_the_clock(self, now: float) -> None:
        for talk in [each for each in self._asking.values() if each.deadline <= now]:
            self._slow_down(talk)
            self._hang_up(talk)
        due = [talk for at, talk in self._pausing if at <= now]
        self._pausing = [each for each in self._pausing if each[0] > now]
        moments = [talk.deadline for talk in self._asking.values()] + [at for at, _ in self._pausing]
        self._earliest = min(moments, default=math.inf)
        for talk in due:
            if talk.deadline > now:
                self._earliest = min(self._earliest, talk.deadline)
                self._go_on(talk, None)

    def _go_on(self, talk: _KeyedTalk[Key, Result], answer: Exchange | None) -> None:
        """Hand an answer to a conversation, and do what it wants next."""
        try:
            wanted = talk.conversation.send(answer)
        except StopIteration as end:
            self._results[talk.key] = end.value
            self._slow_down(talk)
            self._let_go(talk)
            return
        if isinstance(wanted, Pause):
            self._slow_down(talk)
            self._let_go(talk)
            until = min(monotonic() + wanted.seconds, talk.deadline)
            self._earliest = min(self._earliest, until)
            self._pausing.append((until, talk))
            return
        try:
            if talk.connection is None:
                talk.connection = self._sockets.take(max(0.0, talk.deadline - monotonic()))
                self._asking[talk.connection.fileno] = talk
            talk.ask(wanted)
        except OSError:
            self._fail(talk)
            return
        self._watch(talk)

    def _transfer(self, talk: _KeyedTalk[Key, Result]) -> None:
        try:
            answer = talk.advance()
        except (OSError, ProtocolError, ValueError):
            self._fail(talk)
            return
        if answer is None:
            self._watch(talk)
            return
        if not answer.is_reusable:
            self._hang_up(talk)
        self._go_on(talk, answer)

    def _watch(self, talk: _KeyedTalk[Key, Result]) -> None:
        if talk.watched != talk.wanted and talk.connection is not None:
            self._poll.register(talk.connection.fileno, talk.wanted)
            talk.watched = talk.wanted

    def _fail(self, talk: _KeyedTalk[Key, Result]) -> None:
        self._hang_up(talk)
        self._go_on(talk, None)

    def _let_go(self, talk: _KeyedTalk[Key, Result]) -> None:
        """Keep a conversation's connection for others."""
        connection = talk.connection
        if connection is not None:
            self._forget(talk, connection.fileno)
            self._sockets.give_back(connection)

    def _hang_up(self, talk: _KeyedTalk[Key, Result]) -> None:
        """Close a conversation's connection: a late answer must not be taken for the next request's."""
        connection = talk.connection
        if connection is not None:
            self._forget(talk, connection.fileno)
            connection.close()

    def _forget(self, talk: _KeyedTalk[Key, Result], fileno: int) -> None:
        talk.connection = None
        del self._asking[fileno]
        if talk.watched:
            talk.watched = 0
            self._poll.unregister(fileno)
