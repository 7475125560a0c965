"""Many conversations with one server at once, in one thread.

A thread for each waits for the interpreter whenever its answer comes while another one computes, up to the switch
interval of 5 ms; and each hand-over costs about as much processor time as the request itself.
"""

import select
import socket
import ssl
from collections import deque
from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final, Generic, TypeVar

from chalicelib.adapters.http_exchange import Exchange, ProtocolError, answer_in
from chalicelib.adapters.kept_sockets import KeptSockets

SOCKETS_MAX: Final = 16
"""Conversations under way at once; the others wait for their turn."""

_READ_BYTES: Final = 65_536

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so long."""

    seconds: float


Conversation = Generator[bytes | Pause, Exchange | None, Result]
"""Yields requests, each of which is answered (None: no answer came), and pauses; returns what became of it."""


class _Talk(Generic[Key, Result]):
    """A conversation, where it stands, and the connection it has while a request is under way."""

    __slots__ = ("connection", "conversation", "deadline", "key", "received", "unsent")

    def __init__(self, key: Key, conversation: Conversation[Result], deadline: float) -> None:
        self.key = key
        self.conversation = conversation
        self.deadline = deadline
        self.connection: socket.socket | None = None
        self.unsent = b""
        self.received = b""


class SideBySide(Generic[Key, Result]):
    """One round of conversations; each has the time limit for itself, from its first request on."""

    def __init__(self, sockets: KeptSockets, *, time_limit_s: float) -> None:
        self._sockets = sockets
        self._time_limit_s = time_limit_s
        self._poll = select.poll()
        self._asking: dict[int, _Talk[Key, Result]] = {}
        self._pausing: list[tuple[float, _Talk[Key, Result]]] = []
        self._results: dict[Key, Result] = {}

    def run(self, conversations: Mapping[Key, Conversation[Result]]) -> dict[Key, Result]:
        """Return the results of the conversations that ended in time."""
        waiting = deque(conversations.items())
        try:
            while waiting or self._asking or self._pausing:
                while waiting and len(self._asking) < SOCKETS_MAX:
                    key, conversation = waiting.popleft()
                    self._go_on(_Talk(key, conversation, monotonic() + self._time_limit_s), None)
                if self._asking or self._pausing:
                    self._wait()
        finally:
            for talk in list(self._asking.values()):
                self._hang_up(talk)
        return self._results

    def _wait(self) -> None:
        """Wait for an answer or the end of a pause or of somebody's time, and go on from there."""
        moments = [talk.deadline for talk in self._asking.values()] + [at for at, _ in self._pausing]
        for fileno, _ in self._poll.poll(max(0.0, min(moments) - monotonic()) * 1000):
            self._transfer(self._asking[fileno])
        now = monotonic()
        for talk in [each for each in self._asking.values() if each.deadline <= now]:
            self._hang_up(talk)
        due = [talk for at, talk in self._pausing if at <= now]
        self._pausing = [each for each in self._pausing if each[0] > now]
        for talk in due:
            if talk.deadline > now:
                self._go_on(talk, None)

    def _go_on(self, talk: _Talk[Key, Result], answer: Exchange | None) -> None:
        """Hand an answer to a conversation, and do what it wants next."""
        try:
            wanted = talk.conversation.send(answer)
        except StopIteration as end:
            self._results[talk.key] = end.value
            self._let_go(talk)
            return
        if isinstance(wanted, Pause):
            self._let_go(talk)
            self._pausing.append((min(monotonic() + wanted.seconds, talk.deadline), talk))
            return
        talk.unsent, talk.received = wanted, b""
        try:
            if talk.connection is None:
                talk.connection = self._sockets.take(talk.deadline - monotonic())
                self._asking[talk.connection.fileno()] = talk
            self._send(talk, talk.connection)
        except OSError:
            self._fail(talk)

    def _transfer(self, talk: _Talk[Key, Result]) -> None:
        assert talk.connection is not None
        answer = None
        try:
            if talk.unsent:
                self._send(talk, talk.connection)
            else:
                answer = self._received(talk, talk.connection)
        except (OSError, ProtocolError, ValueError):
            self._fail(talk)
            return
        if answer is not None:
            if not answer.is_reusable:
                self._hang_up(talk)
            self._go_on(talk, answer)

    def _send(self, talk: _Talk[Key, Result], connection: socket.socket) -> None:
        wanted = select.POLLOUT
        try:
            talk.unsent = talk.unsent[connection.send(talk.unsent) :]
        except ssl.SSLWantReadError:
            wanted = select.POLLIN
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass
        self._poll.register(connection, wanted if talk.unsent else select.POLLIN)

    def _received(self, talk: _Talk[Key, Result], connection: socket.socket) -> Exchange | None:
        """Return the answer once it is complete."""
        while True:
            try:
                data = connection.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            talk.received += data
            if answer := answer_in(talk.received, is_over=not data):
                return answer

    def _fail(self, talk: _Talk[Key, Result]) -> None:
        self._hang_up(talk)
        self._go_on(talk, None)

    def _let_go(self, talk: _Talk[Key, Result]) -> None:
        """Keep a conversation's connection for others."""
        if talk.connection is not None:
            self._forget(talk.connection)
            self._sockets.give_back(talk.connection)
            talk.connection = None

    def _hang_up(self, talk: _Talk[Key, Result]) -> None:
        """Close a conversation's connection: a late answer must not be taken for the next request's."""
        if talk.connection is not None:
            self._forget(talk.connection)
            talk.connection.close()
            talk.connection = None

    def _forget(self, connection: socket.socket) -> None:
        del self._asking[connection.fileno()]
        self._poll.unregister(connection)
