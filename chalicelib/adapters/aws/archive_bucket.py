"""Archives in an S3 bucket. Not on any hot path, so botocore's own client does it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Thread
from time import monotonic
from typing import Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError

ARCHIVE_BYTES_MAX: Final = 128 * 1024 * 1024
"""Some forty times what one has."""

_PIECE_BYTES: Final = 65_536
_TIME_LIMIT_S: Final = 60.0
"""For all of an archive; botocore bounds how long each silence may last, and how often it tries."""

_Done = TypeVar("_Done")


class _GivenUpError(Exception):
    """A bucket is not waited for, or an object not read, to the end."""


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
        def put() -> None:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + place,
                Body=content,
                ContentType="application/gzip",
                ServerSideEncryption="AES256",
            )

        try:
            _in_time(put, time_left.for_work(_TIME_LIMIT_S))
        except (BotoCoreError, ClientError, _GivenUpError, ValueError) as error:
            if isinstance(error, ClientError) and self._has(place, content):
                return
            told = f"the archive's bucket did not take {self._prefix}{place}: {_reason(error)}"
            raise RetryableError(told) from error

    def get(self, place: str) -> bytes | None:
        limit_s = time_left.for_work(_TIME_LIMIT_S)
        ends_at = monotonic() + limit_s

        def get() -> bytes:
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + place)["Body"]
            return b"".join(_pieces(body, ends_at))

        try:
            return _in_time(get, limit_s)
        # The last of them: its head says what no bucket does.
        except (BotoCoreError, ClientError, _GivenUpError, ValueError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            told = f"the archive's bucket did not give {self._prefix}{place} back: {_reason(error)}"
            raise RetryableError(told) from error

    def _has(self, place: str, content: bytes) -> bool:
        """Return whether a run that was killed has written the very file: a bucket may take it only once."""
        try:
            return self.get(place) == content
        except RetryableError:
            return False


def _in_time(work: Callable[[], _Done], limit_s: float) -> _Done:
    """Return what the work returns.

    An answer that comes a byte at a time has no silence that botocore would end. So its thread is left
    behind, as a run that is killed leaves its connection. What it still writes harms nothing: a place is
    named by the digest of what is kept there.

    Raises:
        _GivenUpError: It takes longer.
    """
    done = Future[_Done]()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  # it is the caller's
            done.set_exception(error)

    if limit_s > 0:
        Thread(target=do, name="archive", daemon=True).start()
    try:
        return done.result(limit_s)
    except TimeoutError:
        raise _GivenUpError("it takes too long") from None


def _pieces(body: Any, ends_at: float) -> Iterator[bytes]:
    """Yield a body's pieces.

    Raises:
        _GivenUpError: They come too slowly, or are more than an archive has.
    """
    size = 0
    # Read to its end, whose checksum is looked at there.
    while piece := body.read(_PIECE_BYTES):
        size += len(piece)
        is_late = monotonic() > ends_at
        if is_late or size > ARCHIVE_BYTES_MAX:
            body.close()
            problem = "takes too long" if is_late else "is larger than any archive"
            raise _GivenUpError(f"it {problem}")
        yield piece


def _reason(error: BotoCoreError | ClientError | _GivenUpError | ValueError) -> str:
    """Return what kind of fault it is: of S3's errors their code, which names no secret."""
    match error:
        case ClientError():
            return str(error.response["Error"]["Code"])
        case BotoCoreError():
            return type(error).__name__
        case _:
            return f"{error!s:.80}"
