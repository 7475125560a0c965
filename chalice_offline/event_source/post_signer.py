"""Signature Version 4 for the calls of one client: POSTs to one path of one endpoint.

botocore's signer takes a general request apart for each; it took a tenth of all that the runtime's own
process does for an order. ``test_post_signer.py`` compares the two.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import time
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from chalice_offline.event_source.http_client import Headers

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


class PostSigner:
    """Signs requests for SQS."""

    def __init__(self, host: str, path: str, *, region: str, access_key: str, secret_key: str) -> None:
        """``path`` is percent-encoded, as it is sent."""
        self._host = host
        # Every service but S3 encodes the encoded path once more.
        self._path = quote(path, safe="/~")
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key
        # The signing key of a day.
        self._day, self._key = "", b""

    def headers(self, fields: dict[str, str], body: bytes, *, now: float | None = None) -> Headers:
        """Return the headers of a request that has these, all of them signed.

        Args:
            fields: By name in lower case, without the host.
            now: Seconds since 1970.
        """
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        signed = {**fields, "host": self._host, "x-amz-date": moment}
        names = sorted(signed)
        shown = ";".join(names)
        lines = [f"{name}:{signed[name]}" for name in names]
        canonical = "\n".join(["POST", self._path, "", *lines, "", shown, sha256(body).hexdigest()])
        scope = f"{moment[:8]}/{self._region}/sqs/aws4_request"
        digest = sha256(canonical.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
        signature = hmac.digest(self._key_of(moment[:8]), text.encode(), "sha256").hex()
        credential = f"{_ALGORITHM} Credential={self._access_key}/{scope}"
        authorization = f"{credential}, SignedHeaders={shown}, Signature={signature}"
        return [*signed.items(), ("authorization", authorization)]

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._secret_key}".encode()
            for part in (day, self._region, "sqs", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._key = day, key
        return self._key
