"""The keys that tokens are verified with: a shared secret, or an issuer's published set (RFC 7517)."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

import jwt
import urllib3
from cryptography.exceptions import UnsupportedAlgorithm

from chalicelib.adapters.time_left import time_left
from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger

JWKS_BYTES_MAX: Final = 256 * 1024
TIME_LIMIT_S: Final = 3.0
"""For the whole answer; how long each part of it may take is bounded as well."""

_READ_TIME_LIMIT_S: Final = 1.0
_TIME_LIMIT: Final = urllib3.Timeout(connect=1.0, read=_READ_TIME_LIMIT_S)
_READ_BYTES: Final = 65_536

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

    def key(self, key_id: str | None) -> str:
        del key_id
        return self._secret


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
        self._keys: dict[str | None, Any] = {}
        self._fetched_at = self._tried_at = float("-inf")

    def key(self, key_id: str | None) -> Any:
        age_s = self._monotonic() - self._fetched_at
        if age_s > self._lifespan_s or key_id not in self._keys:
            self._refresh(age_s)
        return self._keys[key_id]

    def _refresh(self, age_s: float) -> None:
        is_usable = age_s <= 2 * self._lifespan_s
        now = self._monotonic()
        if now - self._tried_at < self._refresh_interval_s:
            if is_usable:
                return
            raise RetryableError("the token issuer's keys are not available")
        self._tried_at = now
        try:
            keys = _signing_keys(self._fetch())
        except RetryableError as error:
            logger.warning("signing keys not refreshed", reason=str(error), age_s=age_s)
            if is_usable:
                return
            raise RetryableError("the token issuer's keys are not available") from error
        self._keys = keys
        self._fetched_at = now


def _signing_keys(document: dict[str, Any]) -> dict[str | None, Any]:
    """Return the keys of a set by their names; one that cannot be read leaves the others alone.

    Raises:
        RetryableError: There is none.
    """
    published = document.get("keys")
    keys: dict[str | None, Any] = {}
    for each in published if isinstance(published, list) else ():
        try:
            key = jwt.PyJWK.from_dict(each)
        except UNREADABLE as error:
            logger.warning("signing key not read", reason=type(error).__name__)
            continue
        # A key made for encryption signs nothing.
        if key.public_key_use in {None, "sig"} and isinstance(key.key_id, str | None):
            keys[key.key_id] = key.key
    if not keys:
        raise RetryableError("the token issuer publishes no key that can be read")
    return keys


def fetch_jwks(url: str) -> Fetch:
    """Return a function that fetches the key set at ``url``, within seconds and a sane size."""
    pool = urllib3.PoolManager(maxsize=1, retries=False)

    def fetch() -> dict[str, Any]:
        if not time_left.has(TIME_LIMIT_S):
            raise RetryableError("no time is left to ask the token issuer")
        # A part may begin just before it and take as long as any.
        deadline = time.monotonic() + TIME_LIMIT_S - _READ_TIME_LIMIT_S
        try:
            answer = pool.request("GET", url, timeout=_TIME_LIMIT, redirect=False, preload_content=False)
            body = _read(answer, deadline)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise RetryableError("the token issuer does not answer") from error
        if answer.status != 200:
            raise RetryableError(f"the token issuer answered {answer.status} with {len(body)} bytes")
        return _key_set(body)

    return fetch


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """Return a body.

    Raises:
        RetryableError: It is too long, or comes too slowly.
    """
    body = b""
    while part := answer.read1(_READ_BYTES, decode_content=True):
        body += part
        is_late = time.monotonic() > deadline
        if is_late or len(body) > JWKS_BYTES_MAX:
            answer.close()  # with what is left of it
            raise RetryableError(
                f"the token issuer's answer {'takes too long' if is_late else 'is too long'}"
            )
    return body


def _key_set(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RetryableError("the token issuer's keys are not JSON") from error
    if not isinstance(document, dict):
        raise RetryableError("the token issuer's keys are not a JSON object")
    return document
