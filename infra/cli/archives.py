"""Where commands find archives."""

import os
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import click

from chalicelib.adapters.postgres.archive import found_in
from chalicelib.bootstrap.archiving import archive_store
from chalicelib.config import ConfigurationError
from chalicelib.domain.errors import RetryableError
from chalicelib.services.archive.ports import ArchiveStore
from chalicelib.wire.archived_orders import ArchivedOrder, UnreadableArchiveError
from infra.cli.parameters import wrong
from infra.cli.session import state_dir
from infra.region import region_of

archives: Final[Callable[[Any], Any]] = click.option(
    "--archives",
    "archive_url",
    envvar="ARCHIVE_URL",
    show_envvar=True,
    help="A folder's whole path, or s3://bucket/prefix. Default: archive below the state directory.",
)


def store_at(url: str | None) -> ArchiveStore:
    """Return the archives' store: at a URL, else below the state directory.

    Raises:
        BadParameter: The URL names none.
    """
    try:
        return archive_store(
            url or str(state_dir().absolute() / "archive"),
            region=region_of(os.environ),
            endpoint_url=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", ""),
        )
    except ConfigurationError as error:
        raise wrong("--archives", str(error).removeprefix("ARCHIVE_URL: ")) from error


def archived(url: str | None, place: str, digest: bytes, order_id: str) -> ArchivedOrder:
    """Return an order from its archive, given the archive's SHA-256.

    Raises:
        ClickException: It cannot be read there, or is not what was written.
    """
    told = f"the order is archived in {place}, which"
    try:
        content = store_at(url).get(place)
    except RetryableError as fault:
        raise click.ClickException(f"{told} cannot be read: {fault.message}") from fault
    if content is None:
        raise click.ClickException(f"{told} is not there: --archives says where archives are")
    if sha256(content).digest() != digest:
        # Not even unpacked: a few KB may be made to become all of the memory.
        raise click.ClickException(f"{told} is not what was written: see ./orderflow audit")
    try:
        found = found_in(content, order_id)
    except UnreadableArchiveError as error:
        raise click.ClickException(f"{told} cannot be read: {error}") from error
    if found is None:
        raise click.ClickException(f"{told} does not hold it")
    return found
