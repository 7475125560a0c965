"""Archives in a bucket."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.adapters.aws.archive_bucket import ARCHIVE_BYTES_MAX, BucketArchiveStore
from chalicelib.adapters.time_left import MARGIN_S, time_left
from chalicelib.domain.errors import RetryableError


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
        self.is_closed = False

    def read(self, amount: int) -> bytes:
        assert 0 < len(self._piece) <= amount
        self.read_pieces += 1
        return self._piece if self.read_pieces <= self._pieces else b""

    def close(self) -> None:
        self.is_closed = True


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
    assert body.is_closed
    assert body.read_pieces == ARCHIVE_BYTES_MAX // 65_536 + 1


def test_object_that_comes_on_and_on_is_not_waited_for() -> None:
    body = Body(b"x", 1_000_000)
    with (
        time_left.of_invocation(MARGIN_S),
        pytest.raises(RetryableError, match="give a back: it takes too long"),
    ):
        BucketArchiveStore(Bucket(body), "kept", "").get("a")
    assert body.is_closed


def test_head_that_is_no_buckets_is_a_passing_fault() -> None:
    with pytest.raises(RetryableError, match="invalid literal"):
        BucketArchiveStore(Bucket(ValueError("invalid literal for int()")), "kept", "").get("a")
