"""Which store a URL names."""

from pathlib import Path

import pytest

from chalicelib.adapters.archive_folder import FolderArchiveStore
from chalicelib.adapters.aws.archive_bucket import BucketArchiveStore
from chalicelib.bootstrap.archiving import archive_store
from chalicelib.config import ConfigurationError


def test_path_names_a_folder_and_s3_a_bucket(tmp_path: Path) -> None:
    assert isinstance(archive_store(str(tmp_path), region="us-east-1"), FolderArchiveStore)
    assert isinstance(archive_store("s3://bucket/prefix", region="us-east-1"), BucketArchiveStore)


@pytest.mark.parametrize("url", ["", "s3://", "s3:///prefix", "https://bucket/prefix", "archive"])
def test_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARCHIVE_URL"):
        archive_store(url, region="us-east-1")
