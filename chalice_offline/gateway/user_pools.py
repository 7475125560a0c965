"""What a Cognito user pool's token says of the caller, as API Gateway hands it to the app.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-enable-cognito-user-pool.html. There
is no user pool here, so neither signature nor end of a token is checked: it is read, as ``chalice local``
does.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any, Final

# The claims that API Gateway writes as a date: "Mon Jan 16 20:39:17 UTC 2023".
_DATES: Final = frozenset({"exp", "iat"})
# The end of the year 9999.
_LATEST_S: Final = 253_402_300_799
_PAYLOAD_BYTES_MAX: Final = 16 * 1024


def claims_in(token: str) -> Mapping[str, str] | None:
    """Return a JWT's claims as the texts that an app finds in ``requestContext.authorizer.claims``.

    Args:
        token: A header's value, with or without ``Bearer``.

    Returns:
        None if that is no JWT.
    """
    match token.removeprefix("Bearer ").split("."):
        case [_, payload, _] if len(payload) <= _PAYLOAD_BYTES_MAX:
            claims = _decoded(payload)
        case _:
            return None
    if not isinstance(claims, dict):
        return None
    return {name: _as_text(name, value) for name, value in claims.items()}


def _decoded(payload: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
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
