"""Which store a URL names."""

from pathlib import Path

import pytest

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.aws.archive_bucket import BucketArchiveStore
from chalicelib.adapters.postgres.engine import make_engine
from chalicelib.bootstrap.archiving import archive_store, archiver_of
from chalicelib.config import ConfigurationError, Settings
from infra.cli.archives import store_at


def test_path_names_a_folder_and_s3_a_bucket(tmp_path: Path) -> None:
    assert isinstance(archive_store(str(tmp_path), region="us-east-1"), FolderArchiveStore)
    assert isinstance(archive_store("s3://bucket/prefix", region="us-east-1"), BucketArchiveStore)


@pytest.mark.parametrize("url", ["", "s3://", "s3:///prefix", "https://bucket/prefix", "archive"])
def test_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARCHIVE_URL"):
        archive_store(url, region="us-east-1")


def place_of(store: object) -> str:
    assert isinstance(store, BucketArchiveStore)
    return str(store._client.meta.endpoint_url)


@pytest.mark.parametrize(("own", "place"), [("", "http://all.test"), ("http://s3.test", "http://s3.test")])
def test_bucket_is_where_the_environment_has_s3(
    own: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(archive_url="s3://kept", aws_endpoint_url="http://all.test", aws_endpoint_url_s3=own)
    engine = make_engine("postgresql://nobody@127.0.0.1:1/none")
    assert place_of(archiver_of(settings, engine)._store) == place
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.test")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", own)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert place_of(store_at("s3://kept")) == place
