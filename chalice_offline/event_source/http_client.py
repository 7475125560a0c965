"""HTTP/1.1 POST over kept-alive connections, for many small calls to one endpoint."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

_IDLE_CONNECTIONS_MAX: Final = 16
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_OK: Final = 200

Headers = Sequence[tuple[str, str]]


class HttpClient:
    """Connections to one origin. Calls may overlap; each has a connection of its own while it lasts."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname is not None, f"not an endpoint: {endpoint}"
        self._host = parts.hostname
        self._port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: list[_Connection] = []

    async def post(self, path: str, headers: Headers, body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer.

        Kept connections that the server closed meanwhile are passed over: it may get the call more than once.

        Raises:
            OSError: The server cannot be reached or broke off.
        """
        while self._idle:
            connection = self._idle.pop()
            with suppress(OSError):
                return await self._exchange(connection, path, headers, body)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._ssl)
        return await self._exchange(connection, path, headers, body)

    async def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _exchange(
        self, connection: "_Connection", path: str, headers: Headers, body: bytes
    ) -> tuple[int, bytes]:
        try:
            answer = await connection.exchange(path, headers, body)
        finally:
            if connection.is_reusable and len(self._idle) < _IDLE_CONNECTIONS_MAX:
                self._idle.append(connection)
            else:
                connection.close()
        return answer


class _Connection(asyncio.Protocol):
    """One connection; httptools calls the ``on_`` methods back."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.is_reusable = False

    async def exchange(self, path: str, headers: Headers, body: bytes) -> tuple[int, bytes]:
        """Return status and body; ``is_reusable`` then tells
        whether the connection can carry another exchange.

        Raises:
            ConnectionError: The server broke off, or does not speak HTTP.
        """
        # Before anything can fail: what is still on its way down
        # must not be kept, or it would be tried for ever.
        self.is_reusable = False
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the server closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        head = [f"POST {path} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in headers)]
        head.append(f"Content-Length: {len(body)}\r\n\r\n")
        self._transport.write("".join(head).encode("latin-1") + body)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the server does not speak HTTP: {error}"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_reusable = False
        self._fail(error or ConnectionResetError("the server closed the connection"))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _OK:  # an interim response (RFC 9110, 15.2)
            return
        self.is_reusable = self._parser.should_keep_alive()
        body, self._body = b"".join(self._body), []
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((status, body))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
