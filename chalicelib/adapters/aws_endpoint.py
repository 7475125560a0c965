"""Small signed HTTP calls to one AWS endpoint, over connections that are kept.

An order makes eight of them. boto3 takes a millisecond of processor time for one, urllib3 with botocore's signer a
third of that; signer and exchange of our own a twentieth.
"""

import select
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

from botocore.credentials import Credentials

from chalicelib.adapters.http_exchange import ProtocolError, exchange
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
        is_secure = parts.scheme == "https"
        self._authority = parts.netloc
        self._address = parts.hostname or "", parts.port or (443 if is_secure else 80)
        self._prefix = parts.path.rstrip("/")
        self._context = ssl.create_default_context() if is_secure else None
        self._signer = Signer(credentials, service, region)
        self._idle: deque[socket.socket] = deque()

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> Answer:
        target = f"{self._prefix}{path}"
        named = {"host": self._authority, **headers}
        signed = self._signer.signed(method, target, named, body, datetime.now(UTC))
        try:
            connection = self._idle_connection() or self._new_connection(time_limit_s)
        except OSError as error:
            raise NoAnswerError from error
        try:
            connection.settimeout(time_limit_s)
            answer = exchange(connection, method, target, signed, body)
        except (OSError, ProtocolError, ValueError) as error:
            # A late answer must not be taken for the next request's.
            connection.close()
            raise NoAnswerError from error
        if answer.is_reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return Answer(answer.status, answer.body)

    def close(self) -> None:
        """Close the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    def _idle_connection(self) -> socket.socket | None:
        """Return the connection used last that the server has not closed meanwhile, if there is one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            # An idle connection has nothing to say; if there is something to read, it is its end.
            watch = select.poll()
            watch.register(connection, select.POLLIN)
            if not watch.poll(0):
                return connection
            connection.close()

    def _new_connection(self, time_limit_s: float) -> socket.socket:
        connection = socket.create_connection(self._address, min(_CONNECT_TIME_LIMIT_S, time_limit_s))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is None:
            return connection
        try:
            return self._context.wrap_socket(connection, server_hostname=self._address[0])
        except BaseException:
            connection.close()
            raise
