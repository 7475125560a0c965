"""A request flow with a server, and one request of it on its connection; nothing here waits."""

import select
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from chalicelib.adapters.aws.connection_pool import PooledConnection
from chalicelib.adapters.aws.http_response import HttpResponse, answer_in

_READ_BYTES: Final = 65_536

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pause:
    """Go on after so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NextAnswer:
    """Several requests were sent in one piece: go on with the answer to the next of them."""


NEXT_ANSWER: Final = NextAnswer()


class OutOfTimeError(Exception):
    """A request flow did not end in its time."""


class NotSentError(Exception):
    """A request did not reach the server, which cannot have carried it out."""


class NoAnswerError(Exception):
    """No answer in time: the request may have been carried out, or not."""


RequestFlow = Generator[bytes | Pause | NextAnswer, HttpResponse | None, Result]
"""Yields requests, each of which is answered (None: no answer came), and pauses;
returns what became of it. After several requests in one piece the answer is the first one's, and
``NEXT_ANSWER`` gets that of the next (None: the connection is over, and no further one will come).
"""


class HttpRequest(Generic[Result]):
    """A request flow, where it stands, and the connection it has while a request is under way.

    Attributes:
        deadline: On the monotonic clock.
        unsent: What is left of the request.
        has_sent: The server may have seen something of a request.
        wanted: What to wait for on the connection before ``advance``, as ``select.poll`` names it.
    """

    __slots__ = ("_received", "connection", "deadline", "flow", "has_sent", "unsent", "wanted")

    def __init__(self, flow: RequestFlow[Result], deadline: float) -> None:
        self.flow = flow
        self.deadline = deadline
        self.connection: PooledConnection | None = None
        self.unsent = b""
        self.has_sent = False
        self.wanted = select.POLLIN
        self._received = b""

    def advance(self) -> HttpResponse | None:
        """Send what is left of the request, or read of its answer, as far as that goes without waiting.

        Returns the answer once it is complete.

        Raises:
            OSError, ProtocolError, ValueError: There will be no answer, and the connection is of no more use.
        """
        if self.unsent:
            self._send()
            return None
        return self._receive()

    def ask(self, request: bytes) -> None:
        """Begin to send a request.

        Raises:
            OSError: As above.
        """
        self.unsent, self._received = request, b""
        self._send()

    def next_answer(self) -> HttpResponse | None:
        """Return the next answer if it came with the last one; else ``advance`` will read it.

        Raises:
            ProtocolError, ValueError: As above.
        """
        self.wanted = select.POLLIN
        return self._answered(is_over=False) if self._received else None

    def _send(self) -> None:
        assert self.connection is not None
        self.wanted = select.POLLOUT
        try:
            self.unsent = self.unsent[self.connection.socket.send(self.unsent) :]
            self.has_sent = True
        except ssl.SSLWantReadError:
            self.wanted = select.POLLIN
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass
        if not self.unsent:
            self.wanted = select.POLLIN

    def _receive(self) -> HttpResponse | None:
        assert self.connection is not None
        while True:
            try:
                data = self.connection.socket.recv(_READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return None
            self._received = self._received + data if self._received else data
            answer = self._answered(is_over=not data)
            if answer is not None or not self.connection.has_decrypted_rest():
                return answer

    def _answered(self, *, is_over: bool) -> HttpResponse | None:
        answer = answer_in(self._received, is_over=is_over)
        if answer is not None:
            self._received = answer.rest
        return answer
