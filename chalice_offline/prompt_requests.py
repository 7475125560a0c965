"""Requests that are answered at once, and those of them that need no parser to be read.

A parser calls back for each part of a request, up to twelve times for a post whose answer takes less than
that. What clients send when they are at work is one form of request, nearly always there as a whole: that is
read by one expression. Whatever it does not match is left to the parser, whose word on it stands.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from chalice_offline.callers import Headers, HeadersByName, in_lower_case

# A part of what RFC 9112 allows, of which no parser thinks otherwise: POST, and the headers of ``_FIELD``.
_HEAD: Final = re.compile(
    rb"POST (/[A-Za-z0-9/@%._~-]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
_FIELD: Final = re.compile(rb"([A-Za-z0-9-]+): ([ -~]*)\r\n")
# What asks something of the connection, or has a body of another form.
_OF_THE_CONNECTION: Final = frozenset(
    {b"connection", b"expect", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_SIZE: Final = b"content-length"
_DIGITS_MAX: Final = 8


class PromptRequest(NamedTuple):
    """A request that is answered at once.

    Attributes:
        target: Path and query as sent.
        headers: Names in any case.
        named: The same by name.
        body: Complete, or its beginning if it is longer than the
            protocol's ``body_bytes_max``: one byte more at least.
    """

    method: str
    target: bytes
    headers: Headers
    named: HeadersByName
    body: bytes


def whole_requests(data: bytes) -> list[PromptRequest]:
    """Return the requests that some bytes are, one behind the other; none if they need a parser."""
    requests: list[PromptRequest] = []
    at, end = 0, len(data)
    while at < end:
        head = _HEAD.match(data, at)
        if head is None:
            return []
        target, fields = head.groups()
        headers = _FIELD.findall(fields)
        names, values = zip(*headers, strict=True)
        form = _form_of(names)
        if form is None or len(size := values[form.size_at]) > _DIGITS_MAX or not size.isdigit():
            return []
        begin = head.end()
        at = begin + int(size)
        if at > end:
            return []
        named = dict(zip(form.names, values, strict=True))
        requests.append(PromptRequest("POST", target, headers, named, data[begin:at]))
    return requests


class _Form(NamedTuple):
    """What requests have in common whose headers have the same names.

    Attributes:
        names: In lower case.
        size_at: The place of the header that says how long the body is.
    """

    names: tuple[bytes, ...]
    size_at: int


@lru_cache(maxsize=64)
def _form_of(names: tuple[bytes, ...]) -> _Form | None:
    """Return None where a parser has to judge the headers: one that came twice, or asks for something."""
    lowered = in_lower_case(names)
    told = set(lowered)
    if len(told) < len(lowered) or not _OF_THE_CONNECTION.isdisjoint(told) or _SIZE not in told:
        return None
    return _Form(lowered, lowered.index(_SIZE))
