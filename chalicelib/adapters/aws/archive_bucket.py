"""Archives in an S3 bucket. Not on any hot path, so botocore's own client does it."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import RetryableError


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
        try:
            found: bytes = self._client.get_object(Bucket=self._bucket, Key=self._prefix + place)[
                "Body"
            ].read()
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            told = f"the archive's bucket did not give {self._prefix}{place} back: {_reason(error)}"
            raise RetryableError(told) from error
        return found

    def _has(self, place: str, content: bytes) -> bool:
        """Return whether a run that was killed has written the very file: a bucket may take it only once."""
        try:
            return self.get(place) == content
        except RetryableError:
            return False


def _reason(error: BotoCoreError | ClientError) -> str:
    """Return what kind of fault it is: of S3's errors their code, which names no secret."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
