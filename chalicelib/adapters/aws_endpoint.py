"""Small signed HTTP calls to one AWS endpoint, over connections that are kept.

An order makes eight of them. boto3 takes a millisecond of processor time for one, urllib3 with botocore's signer a
third of that; the standard library's client with our signer a tenth.
"""

import select
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, Protocol
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from chalicelib.adapters.signature_v4 import Signer

_CONNECT_TIME_LIMIT_S: Final = 1.0


class NoAnswerError(Exception):
    """No answer in time: the request may have been carried out, or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes


class Endpoint(Protocol):
    """What takes signed requests."""

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> Answer:
        """Make one request, once.

        Args:
            path: Percent-encoded, below the endpoint's own.
            headers: Names in lower case; all are signed.

        Raises:
            NoAnswerError: Nothing was answered.
        """
        ...


class AwsEndpoint:
    """``Endpoint`` over the network; safe to share between threads, each call has a connection of its own."""

    def __init__(self, url: str, *, service: str, region: str, credentials: Credentials) -> None:
        parts = urlsplit(url)
        self._authority = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._signer = Signer(credentials, service, region)
        self._idle: deque[HTTPConnection] = deque()

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> Answer:
        target = f"{self._prefix}{path}"
        named = {"host": self._authority, **headers}
        signed = self._signer.signed(method, target, named, body, datetime.now(UTC))
        connection = self._idle_connection() or self._new_connection(time_limit_s)
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(time_limit_s)
            connection.request(method, target, body, signed)
            response = connection.getresponse()
            answer = Answer(response.status, response.read())
        except (OSError, HTTPException) as error:
            # A late answer must not be taken for the next request's.
            connection.close()
            raise NoAnswerError from error
        if connection.sock is not None:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _idle_connection(self) -> HTTPConnection | None:
        """Return the connection used last that the server has not closed meanwhile, if there is one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            # An idle connection has nothing to say; if there is something to read, it is its end.
            watch = select.poll()
            watch.register(connection.sock, select.POLLIN)
            if not watch.poll(0):
                return connection
            connection.close()

    def _new_connection(self, time_limit_s: float) -> HTTPConnection:
        limit_s = min(_CONNECT_TIME_LIMIT_S, time_limit_s)
        if self._context is None:
            return HTTPConnection(self._authority, timeout=limit_s)
        return HTTPSConnection(self._authority, timeout=limit_s, context=self._context)
