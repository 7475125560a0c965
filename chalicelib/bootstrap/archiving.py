"""Archiving, wired as the settings say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chalicelib.config import KEPT_DAYS, ConfigurationError, Settings
from chalicelib.services.archive.ports import ArchiveStore

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from chalicelib.services.archive.archiver import ArchiveOrders

_S3: Final = "s3://"
# Of a few hundred KB; within the time that a part of an archive may take.
_CONNECT_S: Final = 2
_ANSWER_S: Final = 5


def archive_store(url: str, *, region: str | None, endpoint_url: str = "") -> ArchiveStore:
    """Return the store that a URL names: ``s3://bucket/prefix``, or a folder by its whole path.

    A path from where a process happens to stand would be one folder to functions and another to commands.

    Raises:
        ConfigurationError: It names none.
    """
    if not url.startswith(_S3):
        if not url:
            raise ConfigurationError("ARCHIVE_URL: is missing: a folder's whole path, or s3://bucket/prefix")
        if not Path(url).is_absolute():
            raise ConfigurationError(f"ARCHIVE_URL: must be a folder's whole path, or s3://…, not {url}")
        from chalicelib.adapters.archive_folder import FolderArchiveStore

        return FolderArchiveStore(Path(url))
    bucket, _, prefix = url.removeprefix(_S3).partition("/")
    if not bucket:
        raise ConfigurationError("ARCHIVE_URL: names no bucket")
    import botocore.session
    from botocore.config import Config

    from chalicelib.adapters.aws.archive_bucket import BucketArchiveStore

    # An emulator has no name for each bucket.
    style: Any = {"addressing_style": "path"} if endpoint_url else {}
    client = botocore.session.get_session().create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint_url or None,
        config=Config(connect_timeout=_CONNECT_S, read_timeout=_ANSWER_S, s3=style),
    )
    return BucketArchiveStore(client, bucket, prefix)


def archiver_of(settings: Settings, engine: "Engine") -> "ArchiveOrders":
    """Return the use case as a stage's settings have it.

    Raises:
        ConfigurationError: ``archive_url`` names no store.
    """
    store = archive_store(
        settings.archive_url,
        region=settings.aws_region,
        endpoint_url=settings.aws_endpoint_url_s3 or settings.aws_endpoint_url,
    )
    return archiver(
        engine, store, retention_days=settings.retention_days, kept_days=settings.client_order_keys_days
    )


def archiver(
    engine: "Engine", store: ArchiveStore, *, retention_days: int, kept_days: int = KEPT_DAYS
) -> "ArchiveOrders":
    """Return the use case."""
    from chalicelib.adapters.clock import SystemClock
    from chalicelib.adapters.postgres.archive import PostgresFinishedOrders
    from chalicelib.adapters.simulated_market.folding import LedgerFolding
    from chalicelib.services.archive.archiver import ArchiveOrders

    return ArchiveOrders(
        PostgresFinishedOrders(engine),
        LedgerFolding(engine),
        store,
        SystemClock(),
        retention_days=retention_days,
        kept_days=kept_days,
    )
