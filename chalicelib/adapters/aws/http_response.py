"""The answer to an HTTP/1.1 request, as bytes: as much of RFC 9112 as AWS's endpoints need, and no I/O.

The standard library parses an answer's headers with its e-mail
parser, which costs more than all else that our calls
do: 67 µs of processor time for an exchange, against 16 here.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""More than anything that is asked for: pools of a Solana node are some megabytes."""

_HEAD_BYTES_MAX: Final = 65_536
_INTERIM_MAX: Final = 16
_CHUNKS_MAX: Final = 16_384
"""What comes in more pieces than that is made to take long to read."""

_OK: Final = 200
_NO_BODY: Final = frozenset({204, 304})
EMPTY_LINE: Final = b"\r\n\r\n"
"""Behind a line: the end of a head, and of a body in chunks, behind the last of them or the last trailer."""

_STATUS_BYTES: Final = len(b"HTTP/1.1 200")
# Of nearly all answers: their number of bytes, and nothing else that matters. That the connection stays open,
# as AWS's gateways say of each, goes without saying. One look, where field by field takes two and a half
# times the instructions.
_USUAL_HEAD: Final = re.compile(
    rb"HTTP/1\.1 200[^\r]*"
    rb"(?:\r\n(?!connection:(?! ?keep-alive\r)|transfer-encoding:|content-length:)[^\r]+)*"
    rb"\r\ncontent-length: ?([0-9]+)"
    rb"(?:\r\n(?!connection:(?! ?keep-alive\r)|transfer-encoding:)[^\r]+)*\r\n\r\n",
    re.IGNORECASE,
)
# Fields as they stand in a head in lower case, behind the line before.
_CONNECTION: Final = b"\r\nconnection:"
_CONNECTION_OPTIONS: Final = re.compile(rb"(?<=\r\nconnection:)[^\r]*")
_CONTENT_LENGTH: Final = b"\r\ncontent-length:"
_TRANSFER_ENCODING: Final = b"\r\ntransfer-encoding:"
_RETRY_AFTER: Final = b"\r\nretry-after:"


class ProtocolError(Exception):
    """The server broke off, or said something that is not HTTP."""


class HttpResponse(NamedTuple):
    """An answer.

    Attributes:
        is_reusable: The connection can carry another exchange.
        retry_after: The field of that name beside an error, None if there is none.
        rest: What came behind the answer: of the next one, if several requests were sent together.
    """

    status: int
    body: bytes
    is_reusable: bool
    retry_after: bytes | None = None
    rest: bytes = b""


def answer_in(data: bytes, *, is_over: bool) -> HttpResponse | None:
    """Return the answer that so much of a connection's data holds; None if some of it is still to come.

    Answers are small and nearly always come in one piece, so each look begins at the first byte.

    Args:
        is_over: The server has closed the connection.

    Raises:
        ProtocolError, ValueError: There will be no answer, and the connection is of no more use.
    """
    if len(data) > ANSWER_BYTES_MAX:
        raise ProtocolError("the answer has no end")
    usual = _USUAL_HEAD.match(data)
    if usual is not None:
        end = usual.end() + int(usual[1])
        if end <= len(data):
            return HttpResponse(_OK, data[usual.end() : end], True, None, data[end:])  # noqa: FBT003  # reusable
    for _ in range(_INTERIM_MAX):
        end = data.find(EMPTY_LINE)
        if end < 0:
            break
        # Each line of the head with its end.
        head, rest = data[: end + 2].lower(), data[end + len(EMPTY_LINE) :]
        status = _status(head[:_STATUS_BYTES])
        if status >= 200:
            found = _answer(status, head, rest, is_over=is_over)
            if found is not None:
                return found
            break
        data = rest  # behind an interim response (RFC 9110, 15.2)
    else:
        raise ProtocolError("interim responses without end")
    if end < 0 and len(data) > _HEAD_BYTES_MAX:
        raise ProtocolError("the answer's head has no end")
    if is_over:
        raise ProtocolError("the server closed the connection")
    return None


def look_again_at(data: bytes) -> int:
    """Return of how many bytes the next look for an answer is worth making that so many did not hold.

    What ends in an ``EMPTY_LINE`` may hold it before that. Each look begins at the first byte: some megabytes
    that come in pieces of a TLS record would take half a minute to be looked at with each of them.
    """
    end = data.find(EMPTY_LINE)
    head = data[: end + 2].lower()
    if end < 0 or _status(head[:_STATUS_BYTES]) < 200:
        return len(data) + 1
    is_chunked = _TRANSFER_ENCODING in head and _value(head, _TRANSFER_ENCODING) == b"chunked"
    length = None if is_chunked else _value(head, _CONTENT_LENGTH)
    whole = 2 * len(data) if length is None else end + len(EMPTY_LINE) + _size(length, 10)
    return min(whole, ANSWER_BYTES_MAX + 1)


def _answer(status: int, head: bytes, rest: bytes, *, is_over: bool) -> HttpResponse | None:
    keeps = _keeps(head)
    asked = _value(head, _RETRY_AFTER) if status >= 400 else None
    if status in _NO_BODY:
        return HttpResponse(status, b"", keeps, asked, rest)
    if _TRANSFER_ENCODING in head and _value(head, _TRANSFER_ENCODING) == b"chunked":
        chunks = _chunks(rest)
        return None if chunks is None else HttpResponse(status, chunks[0], keeps, asked, chunks[1])
    length = _value(head, _CONTENT_LENGTH)
    if length is not None:
        size = _size(length, 10)
        return HttpResponse(status, rest[:size], keeps, asked, rest[size:]) if len(rest) >= size else None
    return HttpResponse(status, rest, is_reusable=False, retry_after=asked) if is_over else None


def _keeps(head: bytes) -> bool:
    """Return whether the connection stays open: unless something else is said, as its version has it."""
    is_older = head.startswith(b"http/1.0")
    if _CONNECTION not in head:
        return not is_older
    listed = b",".join(_CONNECTION_OPTIONS.findall(head)).split(b",")
    said = {option.strip() for option in listed}
    return b"close" not in said and not (is_older and b"keep-alive" not in said)


def _value(head: bytes, field: bytes) -> bytes | None:
    """Return the value of a field; three of a dozen are of interest, so the others are not taken apart."""
    start = head.find(field)
    if start < 0:
        return None
    start += len(field)
    return head[start : head.find(b"\r\n", start)].strip()


@lru_cache(maxsize=64)
def _status(begin: bytes) -> int:
    """Return the status that an answer begins with."""
    code = begin[9:]
    if not begin.startswith(b"http/1.") or not code.isdigit():
        raise ProtocolError(f"not an HTTP answer: {begin!r}")
    return int(code)


def _chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """Return a chunked body, and what is behind it; None if it is not complete."""
    parts: list[bytes] = []
    at = 0
    for _ in range(_CHUNKS_MAX):
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = _size(data[at:end].split(b";")[0], 16)
        at = end + 2
        if size == 0:
            # The last chunk, then trailers if any, then an empty line.
            if data.startswith(b"\r\n", at):
                return b"".join(parts), data[at + 2 :]
            end = data.find(EMPTY_LINE, at)
            return (b"".join(parts), data[end + len(EMPTY_LINE) :]) if end >= 0 else None
        if len(data) < at + size + 2:
            return None
        parts.append(data[at : at + size])
        at += size + 2
    raise ProtocolError("the answer comes in too many pieces")


def _size(said: bytes, base: int) -> int:
    size = int(said, base)
    if size < 0:
        raise ProtocolError(f"a size of {size}")
    return size
