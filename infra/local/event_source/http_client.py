"""HTTP/1.1 POST over kept-alive connections, for many small calls to one endpoint."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import h11

_READ_BYTES: Final = 65_536
_IDLE_CONNECTIONS_MAX: Final = 16
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

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

        A kept connection that the server closed meanwhile is replaced once: the call may then reach the server twice.

        Raises:
            OSError: The server cannot be reached or broke off.
        """
        while self._idle:
            connection = self._idle.pop()
            with suppress(OSError, h11.RemoteProtocolError):
                return await self._exchange(connection, path, headers, body)
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._ssl)
        try:
            return await self._exchange(_Connection(reader, writer), path, headers, body)
        except h11.RemoteProtocolError as error:
            raise ConnectionError(f"{self._host}:{self._port} broke off: {error}") from error

    async def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _exchange(
        self, connection: "_Connection", path: str, headers: Headers, body: bytes
    ) -> tuple[int, bytes]:
        is_reusable = False
        try:
            status, answer, is_reusable = await connection.exchange(path, headers, body)
        finally:
            if is_reusable and len(self._idle) < _IDLE_CONNECTIONS_MAX:
                self._idle.append(connection)
            else:
                connection.close()
        return status, answer


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    async def exchange(self, path: str, headers: Headers, body: bytes) -> tuple[int, bytes, bool]:
        """Return status, body, and whether the connection can carry another exchange."""
        request = h11.Request(
            method="POST", target=path, headers=[*headers, ("Content-Length", str(len(body)))]
        )
        data = [
            self._http.send(request),
            self._http.send(h11.Data(data=body)),
            self._http.send(h11.EndOfMessage()),
        ]
        self._writer.write(b"".join(part for part in data if part))
        status = 0
        chunks: list[bytes] = []
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("the server closed the connection")
        is_reusable = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if is_reusable:
            self._http.start_next_cycle()
        return status, b"".join(chunks), is_reusable

    def close(self) -> None:
        self._writer.close()
