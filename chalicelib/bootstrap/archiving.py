"""Archiving, wired as the settings say."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from chalicelib.config import ConfigurationError
from chalicelib.services.archive.ports import ArchiveStore

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from chalicelib.services.archive.archiver import ArchiveOrders

_S3: Final = "s3://"


def archive_store(url: str, *, region: str, endpoint_url: str = "") -> ArchiveStore:
    """Return the store that a URL names: ``s3://bucket/prefix``, or else a folder.

    Raises:
        ConfigurationError: It names none.
    """
    if not url.startswith(_S3):
        if not url:
            raise ConfigurationError("ARCHIVE_URL: is missing: a folder, or s3://bucket/prefix")
        from chalicelib.adapters.archive_folder import FolderArchiveStore

        return FolderArchiveStore(Path(url))
    bucket, _, prefix = url.removeprefix(_S3).partition("/")
    if not bucket:
        raise ConfigurationError("ARCHIVE_URL: names no bucket")
    import botocore.session

    from chalicelib.adapters.aws.archive_bucket import BucketArchiveStore

    client = botocore.session.get_session().create_client(
        "s3", region_name=region, endpoint_url=endpoint_url or None
    )
    return BucketArchiveStore(client, bucket, prefix)


def archiver(engine: "Engine", store: ArchiveStore, *, retention_days: int) -> "ArchiveOrders":
    """Return the use case."""
    from chalicelib.adapters.clock import SystemClock
    from chalicelib.adapters.postgres.archive import PostgresFinishedOrders
    from chalicelib.services.archive.archiver import ArchiveOrders

    return ArchiveOrders(PostgresFinishedOrders(engine), store, SystemClock(), retention_days=retention_days)
