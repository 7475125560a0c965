"""Which tokens count, and what becomes of the rest."""

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.errors import Code
from chalicelib.domain.principals import OPERATOR_SCOPE
from tests.security.tokens import a_verifier, claims, refusal, token, unsigned


def test_good_token_gives_its_subject_until_expiry_and_leeway() -> None:
    now = int(time.time())
    principal = a_verifier().verify(token(exp=now + 60))
    assert principal.account_id == "alice"
    assert principal.expires_at == datetime.fromtimestamp(now + 65, UTC)


@pytest.mark.parametrize("missing", ["sub", "iss", "aud", "exp"])
def test_token_without_a_required_claim_is_refused(missing: str) -> None:
    absent: dict[str, Any] = {missing: None}
    assert refusal(a_verifier(), token(**absent)) is Code.UNAUTHORIZED


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 6},
        {"exp": "soon"},
        {"exp": 10**30},
        {"exp": f"{time.time() + 600:.0f}"},
        {"exp": f" {time.time() + 600:_.0f} "},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": "1"},
        {"nbf": True},
        {"iat": "1"},
        {"iat": False},
        {"nbf": int(time.time()) + 3600},
        {"iss": "https://other.example"},
        {"aud": "another-service"},
        {"sub": 7},
    ],
)
def test_token_that_says_something_else_is_refused(changed: dict[str, Any]) -> None:
    assert refusal(a_verifier(), token(**changed)) is Code.UNAUTHORIZED


@pytest.mark.parametrize(
    "text",
    [
        "-",
        "a.b.c",
        "ä" * 40,
        "." * 4_000,
        token(secret="another secret of thirty-two bytes or more"),
        token() + "x",
        token(pad="x" * 5_000),
        unsigned({"alg": "none"}, claims()),
        unsigned({"alg": "HS256"}, claims()),
        base64.urlsafe_b64encode(b"[" * 2_900).decode() + ".e30.",
    ],
)
def test_text_that_is_no_good_token_is_refused(text: str) -> None:
    assert refusal(a_verifier(), text) is Code.UNAUTHORIZED


@pytest.mark.parametrize("subject", ["", "a b", "zoë", "x" * 129, "new\nline", "local"])
def test_verified_subject_that_cannot_be_an_account_is_forbidden(subject: str) -> None:
    assert refusal(a_verifier(), token(sub=subject)) is Code.FORBIDDEN


@pytest.mark.parametrize(
    ("changed", "is_operator"),
    [
        ({"scope": OPERATOR_SCOPE}, True),
        ({"scope": f"openid {OPERATOR_SCOPE} email"}, True),
        ({"scp": ["openid", OPERATOR_SCOPE]}, True),
        ({}, False),
        ({"scope": f"x{OPERATOR_SCOPE}"}, False),
        ({"scope": [OPERATOR_SCOPE]}, False),
        ({"scp": OPERATOR_SCOPE}, False),
        ({"scp": [{"scope": OPERATOR_SCOPE}, 1, None]}, False),
        ({"scope": {"a": 1}, "scp": {"b": 2}}, False),
    ],
)
def test_token_is_an_operators_if_one_of_its_scopes_says_so(
    changed: dict[str, Any], is_operator: bool
) -> None:
    assert a_verifier().verify(token(**changed)).is_operator is is_operator
