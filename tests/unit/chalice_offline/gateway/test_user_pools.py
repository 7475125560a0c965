"""Claims of a Cognito user pool's token, as an app finds them."""

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from chalice_offline.gateway.user_pools import Fault, claims_in, fault_of


def a_token(claims: Any) -> str:
    text = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return "e30." + base64.urlsafe_b64encode(text).decode().rstrip("=") + ".c2lnbmF0dXJl"


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_claims_reach_the_app_as_texts(prefix: str) -> None:
    claims = {
        "sub": "7",
        "cognito:groups": ["admin", "desk"],
        "mixed": ["admin", 1],
        "email_verified": True,
        "auth_time": 1673901557,
        "exp": 1673901557,
        "iat": -1,
    }
    assert claims_in(prefix + a_token(claims)) == {
        "sub": "7",
        "cognito:groups": "admin,desk",
        "mixed": '["admin", 1]',
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


def test_date_from_1970_to_9999_is_told_as_one_and_any_other_as_its_number() -> None:
    last = 253_402_300_799
    assert claims_in(a_token({"exp": 0})) == {"exp": "Thu Jan 01 00:00:00 UTC 1970"}
    assert claims_in(a_token({"exp": last, "iat": last + 1})) == {
        "exp": "Fri Dec 31 23:59:59 UTC 9999",
        "iat": "253402300800",
    }


def test_claims_are_read_up_to_16_kb_of_base64() -> None:
    longest = "x" * (12 * 1024 - len('{"sub": ""}'))
    assert claims_in(a_token({"sub": longest})) == {"sub": longest}
    assert claims_in(a_token({"sub": longest + "x"})) is None


@cache
def a_key(_name: str) -> rsa.RSAPrivateKey:
    """Make a key for the first test that wants it: every process of a run collects all tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


ID = {"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "token_use": "id", "exp": 1_000}
ACCESS = {**ID, "token_use": "access", "scope": "openid desk/trade"}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def issued(claims: Any, *, kid: str = "k", alg: str = "RS256", key: str = "the pool's") -> str:
    head = encoded(json.dumps({"alg": alg, "kid": kid}).encode())
    text = f"{head}.{encoded(json.dumps(claims).encode())}"
    return f"{text}.{encoded(a_key(key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def judged(token: str, *scopes: str, now_s: float = 999) -> Fault | None:
    numbers = a_key("the pool's").public_key().public_numbers()
    pools = {"eu-west-1_a": {"k": (numbers.n, numbers.e)}}
    return fault_of(token, pools, scopes=scopes, now_s=now_s)


def test_token_that_the_pool_has_issued_lets_in() -> None:
    assert judged(issued(ID)) is None
    assert judged(f"Bearer {issued(ID)}") is None
    assert judged(issued(ACCESS), "desk/trade", "desk/read") is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: "",
        lambda: "a.b.c",
        lambda: encoded(b"[1]") + "." + issued(ID).partition(".")[2],
        lambda: issued([1]),
        lambda: issued({**ID, "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_b"}),
        lambda: issued({**ID, "token_use": "access"}),
        lambda: issued(ID, kid="other"),
        lambda: issued(ID, alg="none"),
        lambda: issued(ID, key="another"),
        lambda: issued(ID)[:-4] + "AAAA",
        lambda: issued(ID).rpartition(".")[0] + ".",
        lambda: issued(ID).rpartition(".")[0] + ".A",
        lambda: (
            issued(ID).partition(".")[0] + "." + encoded(json.dumps({**ID, "exp": 9_999}).encode()) + ".AAAA"
        ),
    ],
    ids=[
        "none",
        "words",
        "header",
        "claims",
        "pool",
        "use",
        "key id",
        "unsigned",
        "key",
        "signature",
        "cut off",
        "no base64",
        "changed",
    ],
)
def test_token_that_it_has_not_issued_does_not(make: Callable[[], str]) -> None:
    assert judged(make()) is Fault.NOT_VALID


def test_token_past_its_end_says_so() -> None:
    assert judged(issued(ID), now_s=1_000) is Fault.EXPIRED
    assert judged(issued({**ID, "exp": "x"})) is Fault.EXPIRED


def test_scope_is_asked_of_an_access_token() -> None:
    assert judged(issued(ACCESS), "desk/operate") is Fault.LACKS_SCOPE
    assert judged(issued(ID), "desk/trade") is Fault.NOT_VALID


def test_pool_that_cannot_sign_is_believed_but_for_the_end() -> None:
    pools: dict[str, dict[str, tuple[int, int]]] = {"eu-west-1_a": {}}
    token = issued(ID).rpartition(".")[0] + ".AAAA"
    assert fault_of(token, pools, scopes=(), now_s=999) is None
    assert fault_of(token, pools, scopes=(), now_s=1_000) is Fault.EXPIRED
