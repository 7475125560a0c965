"""Archives in a bucket."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from chalicelib.adapters.aws.archive_bucket import BucketArchiveStore
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
