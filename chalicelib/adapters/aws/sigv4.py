"""Signature Version 4, for the few small requests that every order makes.

botocore's signer builds the same string from a general request object in 60 µs, of which an order needs nine;
here it is 4, since one endpoint has one path style and no query: what requests of one kind share is put
together once. ``tests/unit/adapters/aws/test_sigv4.py`` compares the two.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import quote

from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.aws.http_request import NotSentError

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_DATE: Final = "x-amz-date"
_SESSION: Final = "x-amz-security-token"

Fields = tuple[tuple[str, str], ...]
"""Header names, in lower case, and values."""


class _Moment(NamedTuple):
    """What the signatures of one second share.

    Attributes:
        made_from: The second, and the secret key.
        text: The second, as ``20260101T235959Z``.
        scope: Its day, the region and the service.
        key: The signing key for that scope, at work: copied for each message.
    """

    made_from: tuple[int, str]
    text: str
    scope: str
    key: hmac.HMAC


class RequestSigner:
    """Signs requests without a query for one service in one region; safe to share between threads."""

    def __init__(self, credentials: Credentials, service: str, region: str) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._moment = _Moment((-1, ""), "", "", hmac.new(b"", digestmod="sha256"))

    def request(self, method: str, path: str, fields: Fields, body: bytes, now: datetime) -> bytes:
        """Return a request of HTTP/1.1 as it is sent, with date, signature and length added to its head.

        Args:
            path: Percent-encoded, as it is sent.
            fields: With ``host``; all are signed.
            now: In UTC.

        Raises:
            NotSentError: As ``requests``.
        """
        [asked] = self.requests(method, path, fields, [body], now)
        return asked

    def requests(
        self, method: str, path: str, fields: Fields, bodies: Iterable[bytes], now: datetime
    ) -> list[bytes]:
        """Return requests that differ in their bodies alone, as ``request`` does.

        Raises:
            NotSentError: The credentials have ended, and there are no new ones now.
        """
        try:
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError) as error:
            # Of a role or a container they end, and who gives new ones may not answer now.
            raise NotSentError("no credentials are given") from error
        _, moment, scope, key = self._moment_of(now, frozen.secret_key or "")
        draft = _draft(method, path, (*fields, (_SESSION, frozen.token)) if frozen.token else fields)
        canonical, signed, head = _begun(draft, moment, scope, frozen.access_key)
        asked = []
        for body in bodies:
            digest = sha256(f"{canonical}{sha256(body).hexdigest()}".encode()).hexdigest()
            mac = key.copy()
            mac.update(f"{signed}{digest}".encode())
            whole = f"{head}{mac.hexdigest()}\r\ncontent-length: {len(body)}\r\n\r\n"
            asked.append(whole.encode("latin-1") + body)
        return asked

    def _moment_of(self, now: datetime, secret_key: str) -> _Moment:
        made_from = int(now.timestamp()), secret_key
        moment = self._moment
        if moment.made_from != made_from:
            text = f"{now:%Y%m%dT%H%M%SZ}"
            scope = f"{text[:8]}/{self._region}/{self._service}/aws4_request"
            # The key changes once a day only, but making it once a second costs nothing either.
            key = f"AWS4{secret_key}".encode()
            for part in scope.split("/"):
                key = hmac.digest(key, part.encode(), "sha256")
            # Replaced in one piece: another thread may be reading it.
            self._moment = moment = _Moment(made_from, text, scope, hmac.new(key, digestmod="sha256"))
        return moment


class _Draft(NamedTuple):
    """All of a request but its body, its date, and what depends on them.

    Attributes:
        head: As it is sent, so far.
        before_date, after_date: What stands around the date in the canonical request, which ends with the
            body's digest.
    """

    head: str
    signed_names: str
    before_date: str
    after_date: str


@lru_cache(maxsize=128)
def _begun(draft: _Draft, moment: str, scope: str, access_key: str) -> tuple[str, str, str]:
    """Return how the canonical request, the string to sign and the request itself begin in one second."""
    canonical = f"{draft.before_date}{moment}{draft.after_date}"
    head = (
        f"{draft.head}{_DATE}: {moment}\r\n"
        f"authorization: {_ALGORITHM} Credential={access_key}/{scope}, "
        f"SignedHeaders={draft.signed_names}, Signature="
    )
    return canonical, f"{_ALGORITHM}\n{moment}\n{scope}\n", head


@lru_cache(maxsize=1_024)
def _draft(method: str, path: str, fields: Fields) -> _Draft:
    values: Mapping[str, str] = {**dict(fields), _DATE: ""}
    names = sorted(values)
    signed_names = ";".join(names)
    # Every service but S3 encodes the encoded path once more.
    lines = [method, quote(path, safe="/~"), "", *[f"{name}:{values[name]}" for name in names]]
    canonical = "\n".join([*lines, "", signed_names, ""])
    before, mark, after = canonical.partition(f"\n{_DATE}:")
    sent = "".join([f"{name}: {value}\r\n" for name, value in fields])
    return _Draft(f"{method} {path} HTTP/1.1\r\n{sent}", signed_names, before + mark, after)
