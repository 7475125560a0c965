"""Tokens for tests: good ones, and each way to be bad."""

import base64
import json
import time
from typing import Any, Final

import jwt
import pytest

from chalicelib.adapters.jwt_keys import SharedSecret
from chalicelib.adapters.jwt_verifier import JwtVerifier
from chalicelib.domain.errors import Code, UnauthorizedError

SECRET: Final = "a shared secret of thirty-two bytes or more"
ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "orderflow"


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a good token; a changed one that is None is left out."""
    now = int(time.time())
    good = {"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3_600}
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(*, secret: str = SECRET, **changed: Any) -> str:
    return jwt.encode(claims(**changed), secret, algorithm="HS256")


def a_verifier(keys: Any = None, algorithm: str = "HS256") -> JwtVerifier:
    return JwtVerifier(
        keys or SharedSecret(SECRET), algorithm=algorithm, issuer=ISSUER, audience=AUDIENCE, leeway_s=5
    )


def refusal(verifier: JwtVerifier, text: str) -> Code:
    with pytest.raises(UnauthorizedError) as refused:
        verifier.verify(text)
    assert text not in str(refused.value)
    return refused.value.code


def unsigned(header: dict[str, Any], payload: dict[str, Any]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload))
    return b".".join(parts).decode() + "."
