"""Requests that are answered at once, and how those of them are read that come whole.

uvicorn's protocol hears of each part of a request as it comes, and prepares what an application needs of it:
more than a post and its answer take. Nearly all posts come whole, one behind the other. Of those nothing is
kept but their parts.
"""

from typing import Final, NamedTuple

import httptools

from chalice_offline.callers import Headers, HeadersByName, by_name

_EXPECT: Final = b"expect"
# Behind such a body may be trailers, which are no headers.
_ENCODED: Final = b"transfer-encoding"


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


class WholeRequests:
    """Reads the bytes of one connection; httptools calls the ``on_`` methods back."""

    def __init__(self) -> None:
        self._target: list[bytes] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self.on_url: Final = self._target.append
        self.on_body: Final = self._body.append
        self._found: list[PromptRequest] = []
        self._begin()

    def read(self, data: bytes) -> list[PromptRequest]:
        """Return the requests that some bytes are. None, and nothing has been read, if the last one is not
        complete, or if one of them asks something of the connection that takes an application to answer.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._are_plain = False
        found, self._found = self._found, []
        if self._is_within or not self._are_plain:
            self._begin()
            return []
        return found

    def on_message_begin(self) -> None:
        self._is_within = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_message_complete(self) -> None:
        parser, headers = self._parser, [*self._headers]
        target, named = b"".join(self._target), by_name(headers)
        if (
            not parser.should_keep_alive()
            or parser.should_upgrade()
            or _EXPECT in named
            or _ENCODED in named
            or not target.startswith(b"/")
        ):
            self._are_plain = False
        method = parser.get_method().decode("ascii")
        self._found.append(PromptRequest(method, target, headers, named, b"".join(self._body)))
        self._forget_parts()
        self._is_within = False

    def _begin(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._is_within, self._are_plain = False, True
        self._forget_parts()

    def _forget_parts(self) -> None:
        for parts in (self._target, self._headers, self._body):
            parts.clear()
