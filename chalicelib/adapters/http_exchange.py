"""One HTTP/1.1 request and its answer, as bytes: as much of RFC 9112 as AWS's endpoints need, and no I/O.

The standard library parses an answer's headers with its e-mail parser, which costs more than all else that our calls
do: 67 µs of processor time for an exchange, against 16 here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a request as it is sent; ``headers`` come with ``host``, and ``content-length`` is added."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{method} {target} HTTP/1.1\r\n{fields}content-length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


def answer_in(data: bytes, *, is_over: bool) -> Exchange | None:
    """Return the answer that so much of a connection's data holds; None if some of it is still to come.

    Answers are small and nearly always come in one piece, so each look begins at the first byte.

    Args:
        is_over: The server has closed the connection.

    Raises:
        ProtocolError, ValueError: There will be no answer, and the connection is of no more use.
    """
    found = _answer(data, is_over=is_over)
    if found is None and is_over:
        raise ProtocolError("the server closed the connection")
    return found


def _answer(data: bytes, *, is_over: bool) -> Exchange | None:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        if len(data) > _HEAD_BYTES_MAX:
            raise ProtocolError("the answer's head has no end")
        return None
    status, fields = _head(head)
    if status < 200:  # an interim response (RFC 9110, 15.2)
        return _answer(rest, is_over=is_over)
    keeps = fields.get("connection") != "close"
    if status in _NO_BODY:
        return Exchange(status, b"", keeps)
    if fields.get("transfer-encoding") == "chunked":
        body = _chunks(rest)
        return None if body is None else Exchange(status, body, keeps)
    if "content-length" in fields:
        size = int(fields["content-length"])
        return Exchange(status, rest[:size], keeps) if len(rest) >= size else None
    return Exchange(status, rest, is_reusable=False) if is_over else None


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the fields, names and values in lower case."""
    version, *lines = head.decode("latin-1").lower().split("\r\n")
    if not version.startswith("http/1.") or not version[9:12].isdigit():
        raise ProtocolError(f"not an HTTP answer: {version[:80]!r}")
    fields = [line.partition(":") for line in lines]
    return int(version[9:12]), {name: value.strip() for name, _, value in fields}


def _chunks(data: bytes) -> bytes | None:
    """Return a chunked body; None if it is not complete."""
    parts: list[bytes] = []
    while True:
        size_line, end, data = data.partition(b"\r\n")
        if not end:
            return None
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            # The last chunk, then trailers if any, then an empty line.
            return b"".join(parts) if data.startswith(b"\r\n") or b"\r\n\r\n" in data else None
        if len(data) < size + 2:
            return None
        parts.append(data[:size])
        data = data[size + 2 :]
