"""Archives in an S3 bucket. Not on any hot path, so botocore's own client does it."""

from collections.abc import Iterator
from time import monotonic
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError

ARCHIVE_BYTES_MAX: Final = 128 * 1024 * 1024
"""Some forty times what one has."""

_PIECE_BYTES: Final = 65_536
_TIME_LIMIT_S: Final = 60.0
"""For all of an archive; botocore bounds how long each part of it may take."""


class _UnusableBodyError(Exception):
    """An object is not read to its end."""


class BucketArchiveStore:
    """``ArchiveStore`` in a bucket, below a prefix.

    Args:
        client: A botocore client of S3.
    """

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, place: str, content: bytes) -> None:
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + place,
                Body=content,
                ContentType="application/gzip",
                ServerSideEncryption="AES256",
            )
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and self._has(place, content):
                return
            told = f"the archive's bucket did not take {self._prefix}{place}: {_reason(error)}"
            raise RetryableError(told) from error

    def get(self, place: str) -> bytes | None:
        ends_at = monotonic() + time_left.for_work(_TIME_LIMIT_S)
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + place)["Body"]
            found = b"".join(_pieces(body, ends_at))
        except _UnusableBodyError as error:
            told = f"the archive's bucket did not give {self._prefix}{place} back: {error}"
            raise RetryableError(told) from None
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            told = f"the archive's bucket did not give {self._prefix}{place} back: {_reason(error)}"
            raise RetryableError(told) from error
        except ValueError as error:  # its head says what no bucket does
            told = f"the archive's bucket did not give {self._prefix}{place} back: {error!s:.80}"
            raise RetryableError(told) from error
        return found

    def _has(self, place: str, content: bytes) -> bool:
        """Return whether a run that was killed has written the very file: a bucket may take it only once."""
        try:
            return self.get(place) == content
        except RetryableError:
            return False


def _pieces(body: Any, ends_at: float) -> Iterator[bytes]:
    """Yield a body's pieces.

    Raises:
        _UnusableBodyError: They come too slowly, or are more than an archive has.
    """
    size = 0
    # Read to its end, whose checksum is looked at there.
    while piece := body.read(_PIECE_BYTES):
        size += len(piece)
        is_late = monotonic() > ends_at
        if is_late or size > ARCHIVE_BYTES_MAX:
            body.close()
            problem = "takes too long" if is_late else "is larger than any archive"
            raise _UnusableBodyError(f"it {problem}")
        yield piece


def _reason(error: BotoCoreError | ClientError) -> str:
    """Return what kind of fault it is: of S3's errors their code, which names no secret."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
