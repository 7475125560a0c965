"""The keys that tokens are verified with: a shared secret, or an issuer's published set (RFC 7517)."""

import json
import math
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

from chalicelib.adapters.aws.connection_pool import ConnectionPool
from chalicelib.adapters.aws.http_request import NoAnswerError, NotSentError
from chalicelib.adapters.aws.single_request import ask_single
from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger

JWKS_BYTES_MAX: Final = 256 * 1024
TIME_LIMIT_S: Final = 3.0
"""For the whole answer."""

_ANSWER_BYTES_MAX: Final = 2 * JWKS_BYTES_MAX
"""With its head, and what chunks add."""

_FIRST_AGAIN_S: Final = 5.0
"""Without any key no token counts: the issuer is asked again sooner than for one that is not in its set."""

_SAME_NAME_MAX: Final = 8
"""Keys of one name that a token is held against."""

# Its own type (RFC 7517, 8.5.2), and what most send it as.
_ACCEPTED: Final = "application/jwk-set+json, application/json, */*;q=0.1"
_PATH_SAFE: Final = "/?%:@!$&'()*+,;=~-._"
_GZIP: Final = b"\x1f\x8b"  # as no JSON begins
_GZIP_WBITS: Final = 31

UNREADABLE: Final = (
    jwt.PyJWTError,
    UnsupportedAlgorithm,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What PyJWT, and the parsers below it, raise of what is no key or no token, and may be made to hurt."""

Fetch = Callable[[], dict[str, Any]]
"""Returns the key set as JSON; raises ``RetryableError``."""


class SharedSecret:
    """One secret for every token, whatever ``kid`` it names."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def named(self, key_id: str | None) -> Sequence[str]:
        del key_id
        return (self._secret,)


class JwksKeys:
    """An issuer's published keys, fetched on first use and kept.

    A ``kid`` that is not among them may be a key just rotated in, so the set is fetched anew, but at most
    once per ``refresh_interval_s``: tokens are free to invent, and must not turn into requests to the issuer.
    When the issuer does not answer, keys that were good go on being good for as long again.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        lifespan_s: float,
        refresh_interval_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._lifespan_s = lifespan_s
        self._refresh_interval_s = refresh_interval_s
        self._monotonic = monotonic
        self._keys: dict[str | None, list[Any]] = {}
        self._fetched_at = self._tried_at = -math.inf

    def named(self, key_id: str | None) -> Sequence[Any]:
        age_s = self._monotonic() - self._fetched_at
        if age_s > self._lifespan_s or key_id not in self._keys:
            self._refresh(age_s)
        return self._keys[key_id]

    def _refresh(self, age_s: float) -> None:
        is_usable = age_s <= 2 * self._lifespan_s
        now = self._monotonic()
        interval_s = self._refresh_interval_s if is_usable else min(self._refresh_interval_s, _FIRST_AGAIN_S)
        if now - self._tried_at < interval_s:
            if is_usable:
                return
            raise RetryableError("the token issuer's keys are not available")
        self._tried_at = now
        try:
            keys = _signing_keys(self._fetch())
        except RetryableError as error:
            known_s = None if math.isinf(age_s) else round(age_s)
            logger.warning("signing keys not refreshed", reason=error.message, age_s=known_s)
            if is_usable:
                return
            raise RetryableError("the token issuer's keys are not available") from error
        self._keys = keys
        self._fetched_at = now


def _signing_keys(document: dict[str, Any]) -> dict[str | None, list[Any]]:
    """Return the keys of a set by their names; one that cannot be read leaves the others alone.

    Several may have one name, or none, as those of different types (RFC 7517, 4.5).

    Raises:
        RetryableError: There is none.
    """
    published = document.get("keys")
    keys: dict[str | None, list[Any]] = {}
    unread = Counter[str]()
    for each in published if isinstance(published, list) else ():
        try:
            key = jwt.PyJWK.from_dict(each)
        except UNREADABLE as error:
            unread[type(error).__name__] += 1
            continue
        # A key made for encryption signs nothing.
        if key.public_key_use in {None, "sig"} and isinstance(key.key_id, str | None):
            keys.setdefault(key.key_id, []).append(key.key)
    for reason, count in unread.items():
        logger.warning("signing keys not read", reason=reason, count=count)
    if not keys:
        raise RetryableError("the token issuer publishes no key that can be read")
    return {name: of_name[-_SAME_NAME_MAX:] for name, of_name in keys.items()}


def fetch_jwks(url: str) -> Fetch:
    """Return a function that fetches the key set at ``url``, within seconds and a sane size."""
    address = urlsplit(url)
    pool = ConnectionPool(address)
    path = quote(f"{address.path or '/'}{'?' if address.query else ''}{address.query}", safe=_PATH_SAFE)
    asked = (
        f"GET {path} HTTP/1.1\r\nhost: {address.netloc.rpartition('@')[2]}\r\nuser-agent: orderflow\r\n"
        f"accept: {_ACCEPTED}\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n"
    ).encode()

    def fetch() -> dict[str, Any]:
        if not time_left.has(TIME_LIMIT_S):
            raise RetryableError("no time is left to ask the token issuer")
        try:
            answer = ask_single(pool, asked, time_limit_s=TIME_LIMIT_S, bytes_max=_ANSWER_BYTES_MAX)
        except NotSentError as error:
            raise RetryableError("the token issuer is not reached") from error
        except NoAnswerError as error:
            is_late = isinstance(error.__cause__, TimeoutError)
            problem = "takes too long" if is_late else f"is none: {error.__cause__!s:.80}"
            raise RetryableError(f"the token issuer's answer {problem}") from error
        finally:
            pool.close()  # asked once in minutes: what was kept may be gone without a word
        if answer.status != 200:
            raise RetryableError(f"the token issuer answered {answer.status} with {len(answer.body)} bytes")
        return _key_set(_plain(answer.body))

    return fetch


def _plain(body: bytes) -> bytes:
    """Return a body that some send compressed, whether that was asked for or not.

    Raises:
        RetryableError: It is too long, or broken.
    """
    if body.startswith(_GZIP):
        try:
            body = zlib.decompressobj(_GZIP_WBITS).decompress(body, JWKS_BYTES_MAX + 1)
        except zlib.error as error:
            raise RetryableError("the token issuer's answer is broken") from error
    if len(body) > JWKS_BYTES_MAX:
        raise RetryableError("the token issuer's answer is too long")
    return body


def _key_set(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RetryableError("the token issuer's keys are not JSON") from error
    if not isinstance(document, dict):
        raise RetryableError("the token issuer's keys are not a JSON object")
    return document
