"""What a Cognito user pool's token says of the caller, and whether it says so rightly.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-integrate-with-cognito.html and
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html.
Where there is no such pool, signature and end of a token are not checked: it is read, as ``chalice local``
does.
"""

import base64
import binascii
import json
import time
from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import Any, Final

from chalice_offline.gateway.settings import PoolKeys

# The claims that API Gateway writes as a date: "Mon Jan 16 20:39:17 UTC 2023".
_DATES: Final = frozenset({"exp", "iat"})
# The end of the year 9999.
_LATEST_S: Final = 253_402_300_799
_PAYLOAD_BYTES_MAX: Final = 16 * 1024


class Fault(Enum):
    """Why a token does not let its bearer in."""

    NOT_VALID = auto()
    EXPIRED = auto()
    LACKS_SCOPE = auto()


def fault_of(
    token: str, pools: Mapping[str, PoolKeys], *, scopes: Collection[str], now_s: float
) -> Fault | None:
    """Return what is wrong with a token, None if nothing is.

    Args:
        token: A header's value, with or without ``Bearer``.
        pools: Those that may have issued it, by their ids.
        scopes: An access token with one of them is asked for; without any, an id token.
    """
    head, _, rest = token.removeprefix("Bearer ").partition(".")
    payload, _, signature = rest.partition(".")
    header, claims = _decoded(head), _decoded(payload)
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return Fault.NOT_VALID
    keys = pools.get(str(claims.get("iss", "")).rpartition("/")[2])
    is_signed = keys is not None and (not keys or _is_signed(header, f"{head}.{payload}", signature, keys))
    if not is_signed or claims.get("token_use") != ("access" if scopes else "id"):
        return Fault.NOT_VALID
    ends = claims.get("exp")
    if not isinstance(ends, int) or ends <= now_s:
        return Fault.EXPIRED
    if scopes and not set(scopes) & set(str(claims.get("scope", "")).split()):
        return Fault.LACKS_SCOPE
    return None


def _is_signed(header: Mapping[str, Any], text: str, signature: str, keys: PoolKeys) -> bool:
    """Verify an RS256 signature (RFC 7518, 3.3): the only one that Cognito makes."""
    # The package with which the emulator, of the same interpreter, has signed.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    key = keys.get(str(header.get("kid")))
    raw = _bytes_of(signature)
    if header.get("alg") != "RS256" or key is None or raw is None:
        return False
    modulus, exponent = key
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    try:
        public.verify(raw, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def claims_in(token: str) -> Mapping[str, str] | None:
    """Return a JWT's claims as the texts that an app finds in ``requestContext.authorizer.claims``.

    Args:
        token: A header's value, with or without ``Bearer``.

    Returns:
        None if that is no JWT.
    """
    match token.removeprefix("Bearer ").split("."):
        case [_, payload, _]:
            claims = _decoded(payload)
        case _:
            return None
    if not isinstance(claims, dict):
        return None
    return {name: _as_text(name, value) for name, value in claims.items()}


def _decoded(part: str) -> Any:
    try:
        return json.loads(_bytes_of(part) or b"")
    except (ValueError, RecursionError):
        return None


def _bytes_of(part: str) -> bytes | None:
    if len(part) > _PAYLOAD_BYTES_MAX:
        return None
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return None


def _as_text(name: str, value: Any) -> str:
    match value:
        case str():
            return value
        case int() if name in _DATES and 0 <= value <= _LATEST_S:
            return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(value))
        case list() if all(isinstance(each, str) for each in value):
            return ",".join(value)
        case _:
            return json.dumps(value)
