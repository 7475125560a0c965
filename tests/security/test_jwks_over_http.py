"""Fetching an issuer's keys over HTTP: what counts as an answer."""

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chalicelib.adapters import jwt_keys
from chalicelib.adapters.jwt_keys import JWKS_BYTES_MAX, fetch_jwks
from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError
from tests.fakes.http_server import scripted_server


@contextmanager
def serving(status: int, body: bytes, **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # it was not read to its end
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/keys"
        finally:
            server.shutdown()
            thread.join()


def test_published_set_is_read() -> None:
    with serving(200, json.dumps({"keys": []}).encode()) as url:
        assert fetch_jwks(url)() == {"keys": []}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"{}"),
        (500, b"{}"),
        (302, b"{}"),
        (200, b"[]"),
        (200, b"<html>"),
        (200, b"\xff"),
        (200, b'{"keys":"' + b"x" * JWKS_BYTES_MAX + b'"}'),
    ],
)
def test_anything_else_is_a_passing_fault(status: int, body: bytes) -> None:
    with serving(status, body, Location="http://127.0.0.1:1/") as url, pytest.raises(RetryableError):
        fetch_jwks(url)()


def test_set_is_read_up_to_its_most_bytes() -> None:
    empty = len(b'{"keys":""}')
    longest = b'{"keys":"' + b"x" * (JWKS_BYTES_MAX - empty) + b'"}'
    with serving(200, longest) as url:
        assert fetch_jwks(url)().keys() == {"keys"}
    with serving(200, longest + b" ") as url, pytest.raises(RetryableError):
        fetch_jwks(url)()


def test_set_is_not_fetched_from_where_the_issuer_sends_on_to() -> None:
    with (
        serving(200, b'{"keys":[]}') as elsewhere,
        serving(302, b"{}", Location=elsewhere) as url,
        pytest.raises(RetryableError),
    ):
        fetch_jwks(url)()


def test_set_that_is_far_too_long_is_not_read_to_its_end() -> None:
    with (
        serving(200, b"x" * (64 * JWKS_BYTES_MAX)) as url,
        pytest.raises(RetryableError, match="is too long"),
    ):
        fetch_jwks(url)()


def test_compressed_set_counts_by_what_is_in_it() -> None:
    compressed = {"Content-Encoding": "gzip"}
    with serving(200, gzip.compress(b'{"keys":[]}'), **compressed) as url:
        assert fetch_jwks(url)() == {"keys": []}
    with (
        serving(200, gzip.compress(b"x" * (64 * JWKS_BYTES_MAX)), **compressed) as url,
        pytest.raises(RetryableError, match="is too long"),
    ):
        fetch_jwks(url)()


@pytest.mark.parametrize(
    "said",
    [
        None,
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;aaaa",
    ],
)
def test_answer_of_which_some_is_still_to_come_past_its_time_is_a_passing_fault(
    said: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwt_keys, "TIME_LIMIT_S", 0.2)
    with (
        scripted_server(said, None) as server,
        pytest.raises(RetryableError, match=r"takes too long|not reached"),
    ):
        fetch_jwks(f"{server.address.geturl()}/keys")()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_answer_is_a_passing_fault(said: bytes) -> None:
    with scripted_server(said) as server, pytest.raises(RetryableError, match="answer is none"):
        fetch_jwks(f"{server.address.geturl()}/keys")()


def test_set_is_asked_for_with_the_urls_own_query_and_host() -> None:
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, *map(self.headers.get, ("Host", "Accept", "Accept-Encoding"))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"keys":[]}')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        host = f"127.0.0.1:{server.server_address[1]}"
        try:
            assert fetch_jwks(f"http://user:secret@{host}/a b/k%C3%A4ys/ö?p=1 2&q=/#x")() == {"keys": []}
        finally:
            server.shutdown()
            thread.join()
    accepted = "application/jwk-set+json, application/json, */*;q=0.1"
    assert asked == [("/a%20b/k%C3%A4ys/%C3%B6?p=1%202&q=/", host, accepted, "identity")]


def test_issuer_is_not_asked_where_its_answer_could_outlast_the_invocation() -> None:
    with (
        serving(200, b"{}") as url,
        time_left.of_invocation(jwt_keys.TIME_LIMIT_S),
        pytest.raises(RetryableError, match="no time is left"),
    ):
        fetch_jwks(url)()


def test_silence_is_a_passing_fault() -> None:
    with serving(200, b"{}") as url:
        pass
    with pytest.raises(RetryableError):
        fetch_jwks(url)()
