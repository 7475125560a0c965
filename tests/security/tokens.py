"""Tokens for tests: good ones, and each way to be bad."""

import time
from typing import Any, Final

import jwt

SECRET: Final = "a shared secret of thirty-two bytes or more"
ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "orderflow"


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a good token; a changed one that is None is left out."""
    now = int(time.time())
    good = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 600}
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(*, secret: str = SECRET, **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm="HS256")
