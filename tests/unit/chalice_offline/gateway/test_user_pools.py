"""Claims of a Cognito user pool's token, as an app finds them."""

import base64
import json
from typing import Any

import pytest

from chalice_offline.gateway.user_pools import claims_in


def a_token(claims: Any) -> str:
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return "e30." + base64.urlsafe_b64encode(text).decode().rstrip("=") + ".c2lnbmF0dXJl"


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_claims_reach_the_app_as_texts(prefix: str) -> None:
    claims = {
        "sub": "7",
        "cognito:groups": ["admin", "desk"],
        "email_verified": True,
        "auth_time": 1673901557,
        "exp": 1673901557,
        "iat": -1,
    }
    assert claims_in(prefix + a_token(claims)) == {
        "sub": "7",
        "cognito:groups": "admin,desk",
        "email_verified": "true",
        "auth_time": "1673901557",
        "exp": "Mon Jan 16 20:39:17 UTC 2023",
        "iat": "-1",
    }


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        "a.%%%.c",
        a_token([1]),
        a_token(b"\xff"),
        a_token(b"[" * 9_000),
        a_token({"sub": "x" * 20_000}),
    ],
    ids=["empty", "word", "two parts", "four parts", "not base64", "list", "not text", "deep", "long"],
)
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert claims_in(token) is None
