"""One HTTP/1.1 request and its answer on a connection that is kept: as much of RFC 9112 as AWS's endpoints need.

The standard library parses an answer's headers with its e-mail parser, which costs more than all else that our calls
do: 67 µs of processor time for an exchange, against 16 here.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_READ_BYTES: Final = 65_536
_HEAD_BYTES_MAX: Final = 65_536
_NO_BODY: Final = frozenset({204, 304})


class ProtocolError(Exception):
    """The server broke off, or said something that is not HTTP."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer.

    Attributes:
        is_reusable: The connection can carry another exchange.
    """

    status: int
    body: bytes
    is_reusable: bool


def exchange(
    connection: socket.socket, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Exchange:
    """Send a request and read its answer.

    Args:
        headers: With ``host``; ``content-length`` is added.

    Raises:
        ProtocolError, OSError: There is no answer, and the connection is of no more use.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""])
    connection.sendall(head.encode("latin-1") + body)
    reader = _Reader(connection)
    status, fields = reader.head()
    while status < 200:  # an interim response (RFC 9110, 15.2)
        status, fields = reader.head()
    keeps = fields.get("connection", "").lower() != "close"
    if status in _NO_BODY:
        return Exchange(status, b"", keeps)
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return Exchange(status, reader.chunks(), keeps)
    if "content-length" in fields:
        return Exchange(status, reader.exactly(int(fields["content-length"])), keeps)
    return Exchange(status, reader.rest(), is_reusable=False)


class _Reader:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""

    def head(self) -> tuple[int, dict[str, str]]:
        """Return the status and the fields, names in lower case."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ProtocolError(f"not an HTTP answer: {lines[0][:80]!r}")
        fields = (line.partition(":") for line in lines[1:])
        return int(rest[:3]), {name.lower(): value.strip() for name, _, value in fields}

    def exactly(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        found, self._data = self._data[:size], self._data[size:]
        return found

    def chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            parts.append(self.exactly(size))
            self._until(b"\r\n")
        while self._until(b"\r\n"):  # trailers
            pass
        return b"".join(parts)

    def rest(self) -> bytes:
        while chunk := self._connection.recv(_READ_BYTES):
            self._data += chunk
        return self._data

    def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            if len(self._data) > _HEAD_BYTES_MAX:
                raise ProtocolError("the answer's head has no end")
            self._more()
        found, _, self._data = self._data.partition(end)
        return found

    def _more(self) -> None:
        chunk = self._connection.recv(_READ_BYTES)
        if not chunk:
            raise ProtocolError("the server closed the connection")
        self._data += chunk
