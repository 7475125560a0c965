"""Archives in a bucket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.adapters.aws.archive_bucket import ARCHIVE_BYTES_MAX, BucketArchiveStore
from chalicelib.adapters.time_left import MARGIN_S, time_left
from chalicelib.bootstrap.archiving import archive_store
from chalicelib.domain.errors import RetryableError

WAIT_S: Final = 30.0


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield botocore.session.get_session().create_client("s3", region_name="us-east-1")


def test_archive_is_found_by_its_name_below_the_prefix(client: Any) -> None:
    client.create_bucket(Bucket="kept")
    store = BucketArchiveStore(client, "kept", "/prod/")
    assert store.get("a") is None
    store.put("a", b"content")
    assert store.get("a") == b"content"
    assert client.list_objects_v2(Bucket="kept")["Contents"][0]["Key"] == "prod/a"


def test_bucket_that_is_not_there_is_a_passing_fault(client: Any) -> None:
    store = BucketArchiveStore(client, "missing", "")
    with pytest.raises(RetryableError, match="NoSuchBucket"):
        store.put("a", b"")
    with pytest.raises(RetryableError, match="NoSuchBucket"):
        store.get("a")


def test_bucket_that_takes_no_file_twice_has_what_it_was_given_before(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was killed between its file and its commit writes the same one again."""
    client.create_bucket(Bucket="kept")
    store = BucketArchiveStore(client, "kept", "")
    store.put("a", b"content")

    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")

    monkeypatch.setattr(client, "put_object", refused)
    store.put("a", b"content")
    for place, content in (("a", b"other"), ("b", b"content")):
        with pytest.raises(RetryableError, match=f"did not take {place}: AccessDenied"):
            store.put(place, content)


def test_archive_that_the_bucket_refuses_to_give_is_named(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    monkeypatch.setattr(client, "get_object", refused)
    store = BucketArchiveStore(client, "kept", "orders")
    with pytest.raises(RetryableError, match="did not give orders/2026-11-30/1 back: AccessDenied"):
        store.get("2026-11-30/1")


class Body:
    """An object's, of as many pieces as it is told; it counts those that were read."""

    def __init__(self, piece: bytes, pieces: int) -> None:
        self._piece, self._pieces = piece, pieces
        self.read_pieces = 0
        self.was_closed = Event()

    def read(self, amount: int) -> bytes:
        assert 0 < len(self._piece) <= amount
        self.read_pieces += 1
        return self._piece if self.read_pieces <= self._pieces else b""

    def close(self) -> None:
        self.was_closed.set()


class Bucket:
    """A client that answers with a body, or raises."""

    def __init__(self, said: Body | Exception) -> None:
        self._said = said

    def get_object(self, **_: str) -> dict[str, Body]:
        if isinstance(self._said, Exception):
            raise self._said
        return {"Body": self._said}


def test_object_that_is_larger_than_any_archive_is_not_read_to_its_end() -> None:
    body = Body(b"x" * 65_536, ARCHIVE_BYTES_MAX)
    with pytest.raises(RetryableError, match="give a back: it is larger than any archive"):
        BucketArchiveStore(Bucket(body), "kept", "").get("a")
    assert body.was_closed.is_set()
    assert body.read_pieces == ARCHIVE_BYTES_MAX // 65_536 + 1


def test_object_that_comes_on_and_on_is_read_no_further_when_its_time_is_over() -> None:
    body = Body(b"x", 1_000_000_000)
    with (
        time_left.of_invocation(MARGIN_S + 0.2),
        pytest.raises(RetryableError, match="give a back: it takes too long"),
    ):
        BucketArchiveStore(Bucket(body), "kept", "").get("a")
    assert body.was_closed.wait(WAIT_S)


def test_nothing_is_asked_of_a_bucket_when_the_time_is_over() -> None:
    body = Body(b"x", 1)
    with time_left.of_invocation(MARGIN_S), pytest.raises(RetryableError, match="takes too long"):
        BucketArchiveStore(Bucket(body), "kept", "").get("a")
    assert body.read_pieces == 0


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("head", [HEAD, HEAD + b"Content-Length: 50000\r\n\r\n"], ids=["head", "body"])
@pytest.mark.parametrize("wants", ["put", "get"])
def test_bucket_whose_answer_comes_a_byte_at_a_time_is_given_up(
    wants: str, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with dripping_server(head) as url, time_left.of_invocation(MARGIN_S + 0.5):
        store = archive_store("s3://kept", region="us-east-1", endpoint_url=url)
        ask: dict[str, Callable[[], object]] = {
            "put": lambda: store.put("a", b"content"),
            "get": lambda: store.get("a"),
        }
        with pytest.raises(RetryableError, match="it takes too long"):
            ask[wants]()


@contextmanager
def dripping_server(head: bytes) -> Iterator[str]:
    """A server that never ends its answer, and never is silent for long."""
    is_over = Event()

    class Dripping(BaseHTTPRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(65_536)
                # Asked whether it takes what is put, it does.
                self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + head)
                while not is_over.wait(0.02):
                    self.request.sendall(b"x")

    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            is_over.set()
            server.shutdown()
            thread.join()


def test_head_that_is_no_buckets_is_a_passing_fault() -> None:
    with pytest.raises(RetryableError, match="invalid literal"):
        BucketArchiveStore(Bucket(ValueError("invalid literal for int()")), "kept", "").get("a")
