"""Requests that come whole are read as a parser reads them that is told of each part."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.prompt_requests import WholeRequests

POST = b"POST /ws/@connections/AAAA%3D HTTP/1.1\r\nHost: localhost:3000\r\nContent-Length: 2\r\n\r\nhi"


class Parsed:
    """What a parser makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.found: list[tuple[str, bytes, list[tuple[bytes, bytes]], bytes]] = []
        self.is_within = False
        self.asks_of_connection = False
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_within = True

    def on_message_begin(self) -> None:
        self.is_within = True
        self._target, self._body = b"", b""
        self._headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.is_within = False
        self.asks_of_connection |= not self._parser.should_keep_alive() or self._parser.should_upgrade()
        named = {name.lower() for name, _ in self._headers}
        self.asks_of_connection |= bool(named & {b"expect", b"transfer-encoding"})
        self.asks_of_connection |= not self._target.startswith(b"/")
        self.found.append(
            (self._parser.get_method().decode(), self._target, self._headers, self._body),
        )


def agrees(data: bytes, reader: WholeRequests | None = None) -> bool:
    """Return whether some bytes were read, and all that a parser makes of them."""
    found = (reader or WholeRequests()).read(data)
    parsed = Parsed(data)
    assert bool(found) is (bool(parsed.found) and not parsed.is_within and not parsed.asks_of_connection)
    if found:
        assert [(each.method, each.target, each.headers, each.body) for each in found] == parsed.found
        for each in found:
            assert each.named == {name.lower(): value for name, value in each.headers}
    return bool(found)


def test_requests_behind_one_another_are_read_as_a_parser_reads_them() -> None:
    other = POST.replace(b"Content-Length: 2", b"content-length: 0\r\nX-Amz-Date: 20260101T000000Z")[:-2]
    assert agrees(POST + other + POST)


@pytest.mark.parametrize(
    "data",
    [
        POST[:-1],
        POST + b"x",
        POST + POST[:20],
        POST.replace(b"Length: 2", b"Length: +2"),
        POST.replace(b"Length: 2", b"Length: 2\r\nContent-Length: 2"),
        POST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
        POST.replace(b"Host: ", b"Transfer-Encoding: chunked\r\nHost: "),
        POST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        POST.replace(b"Host: ", b"Connection: close\r\nHost: "),
        POST.replace(b"Host: ", b"EXPECT: 100-continue\r\nHost: "),
        POST.replace(b"Host: ", b"Connection: upgrade\r\nUpgrade: websocket\r\nHost: "),
        POST.replace(b"/ws/", b"http://localhost/ws/"),
        b"no HTTP at all\r\n\r\n",
        b"",
    ],
)
def test_what_is_not_whole_or_asks_for_more_than_an_answer_is_not_read_and_what_follows_is(
    data: bytes,
) -> None:
    reader = WholeRequests()
    assert reader.read(data) == []
    assert agrees(POST + POST, reader)


@given(st.data())
def test_whatever_is_read_is_what_a_parser_reads(data: st.DataObject) -> None:
    pieces = [
        b"POST",
        b" ",
        b"/ws",
        b" HTTP/1.1",
        b"\r\n",
        b"Content-Length",
        b": ",
        b"2",
        b"hi",
        b"Host",
        b"x",
    ]
    changed = bytearray(POST + POST)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(changed)))
        until = min(len(changed), at + data.draw(st.integers(0, 4)))
        changed[at:until] = data.draw(st.sampled_from(pieces) | st.binary(max_size=2))
    reader = WholeRequests()
    agrees(bytes(changed), reader)
    assert agrees(POST, reader)
