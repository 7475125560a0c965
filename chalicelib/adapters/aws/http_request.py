"""What a request flow with a server is, and its requests on their way; nothing here waits."""

import select
import ssl
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from chalicelib.adapters.aws.connection_pool import PooledConnection
from chalicelib.adapters.aws.http_response import EMPTY_LINE, HttpResponse, answer_in, look_again_at

READ_BYTES: Final = 65_536

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so long."""

    seconds: float


class NotSentError(Exception):
    """A request did not reach the server, which cannot have carried it out."""


class NoAnswerError(Exception):
    """No answer in time: the request may have been carried out, or not."""


Answers = Sequence[HttpResponse]
"""To requests that were sent in one piece, in their order; fewer than those where the connection failed, or
was closed after an answer.
"""

RequestFlow = Generator[Sequence[bytes] | Pause, Answers, Result]
"""Yields requests, one or several that are sent in one piece, and gets their answers; and pauses, after which
it gets none. Returns what became of it.
"""


class HttpRequest:
    """A request, or several that are sent in one piece, and the connection that they are under way on.

    Attributes:
        deadline: On the monotonic clock.
        unsent: What is left to be sent.
        has_sent: The server may have seen something of a request.
        wanted: What to wait for on the connection before ``advance``, as ``select.poll`` names it.
        answers: Those that have come.
    """

    __slots__ = (
        "_asked", "_look_at", "_received",
        "answers", "connection", "deadline", "has_sent", "unsent", "wanted",
    )  # fmt: skip

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connection: PooledConnection | None = None
        self.has_sent = False

    def advance(self) -> bool:
        """Send what is left of the requests, or read of their answers, as far as that goes without waiting.

        Returns whether no further answer will come: all have, or the last said that it is.

        Raises:
            OSError, ProtocolError, ValueError: There will be no further answer, and the connection is of no
                more use.
        """
        if self.unsent:
            self._send()
            return False
        return self._receive()

    def ask(self, requests: Sequence[bytes]) -> None:
        """Begin to send requests.

        Raises:
            OSError: As above.
        """
        self.unsent = b"".join(requests)
        self._asked, self.answers = len(requests), list[HttpResponse]()
        self._received, self._look_at = bytearray(), 0
        self._send()

    def _send(self) -> None:
        assert self.connection is not None
        try:
            sent = self.connection.socket.send(self.unsent)
        except ssl.SSLWantReadError:
            self.wanted = select.POLLIN
        except (BlockingIOError, ssl.SSLWantWriteError):
            self.wanted = select.POLLOUT
        else:
            self.has_sent = True
            self.unsent = self.unsent[sent:]
            self.wanted = select.POLLOUT if self.unsent else select.POLLIN

    def _receive(self) -> bool:
        assert self.connection is not None
        while True:
            try:
                data = self.connection.socket.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            received = self._received
            received += data
            # Another answer may have begun behind an end.
            may_end = EMPTY_LINE in received[-len(data) - len(EMPTY_LINE) :]
            if (not data or len(received) >= self._look_at or may_end) and self._take(is_over=not data):
                return True
            if not self.connection.has_decrypted_rest():
                return False

    def _take(self, *, is_over: bool) -> bool:
        """Take the answers out of what was received; return whether no further one will come."""
        received = bytes(self._received)
        while (answer := answer_in(received, is_over=is_over)) is not None:
            is_last = len(self.answers) == self._asked - 1
            if is_last and answer.rest:
                # What was not asked for must not be taken for the next request's.
                answer = answer._replace(is_reusable=False)
            self.answers.append(answer)
            if is_last or not answer.is_reusable:
                return True
            received = answer.rest
        self._received, self._look_at = bytearray(received), look_again_at(received)
        return False
