"""Which tokens count, and what becomes of the rest."""

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.adapters.jwt_keys import JwksKeys, SharedSecret
from chalicelib.adapters.jwt_verifier import JwtVerifier
from chalicelib.domain.errors import Code, RetryableError, UnauthorizedError
from tests.security.tokens import AUDIENCE, ISSUER, SECRET, claims, token


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


@pytest.mark.parametrize("subject", ["", "a b", "zoë", "x" * 129, "new\nline"])
def test_verified_subject_that_cannot_be_an_account_is_forbidden(subject: str) -> None:
    assert refusal(a_verifier(), token(sub=subject)) is Code.FORBIDDEN


class Issuer:
    """Publishes keys, counts who asks, and can fall silent."""

    def __init__(self, *key_ids: str) -> None:
        self.private = {
            key_id: rsa.generate_private_key(public_exponent=65537, key_size=2048) for key_id in key_ids
        }
        self.published = list(key_ids)
        self.requests = 0
        self.is_silent = False
        self.now = 1_000.0

    def fetch(self) -> dict[str, Any]:
        self.requests += 1
        if self.is_silent:
            raise RetryableError("silent")
        to_jwk = jwt.algorithms.RSAAlgorithm.to_jwk
        return {
            "keys": [
                {**json.loads(to_jwk(self.private[key_id].public_key())), "kid": key_id, "use": "sig"}
                for key_id in self.published
            ]
        }

    def token(self, key_id: str) -> str:
        return jwt.encode(claims(), self.private[key_id], algorithm="RS256", headers={"kid": key_id})

    def verifier(self) -> JwtVerifier:
        keys = JwksKeys(self.fetch, lifespan_s=600, refresh_interval_s=30, monotonic=lambda: self.now)
        return a_verifier(keys, "RS256")


@pytest.fixture(scope="module")
def two_keys() -> dict[str, Any]:
    return Issuer("old", "new").private


@pytest.fixture
def issuer(two_keys: dict[str, Any]) -> Issuer:
    made = Issuer()
    made.private, made.published = two_keys, ["old"]
    return made


def test_published_keys_are_fetched_once_for_many_tokens(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    assert {verifier.verify(issuer.token("old")).account_id for _ in range(5)} == {"alice"}
    assert issuer.requests == 1


def test_key_rotated_in_is_found_when_a_token_names_it(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token("old"))
    issuer.published, issuer.now = ["old", "new"], issuer.now + 31
    assert verifier.verify(issuer.token("new")).account_id == "alice"


def test_key_rotated_out_is_refused_once_the_set_has_aged(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token("old"))
    issuer.published, issuer.now = ["new"], issuer.now + 601
    assert refusal(verifier, issuer.token("old")) is Code.UNAUTHORIZED


def test_invented_key_ids_do_not_become_requests_to_the_issuer(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token("old"))
    for number in range(50):
        invented = jwt.encode(claims(), SECRET, algorithm="HS256", headers={"kid": f"k{number}"})
        assert refusal(verifier, invented) is Code.UNAUTHORIZED
    assert issuer.requests == 1


def test_silent_issuer_leaves_known_keys_good_for_one_more_lifespan(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token("old"))
    issuer.is_silent, issuer.now = True, issuer.now + 700
    assert verifier.verify(issuer.token("old")).account_id == "alice"
    issuer.now += 600
    with pytest.raises(RetryableError):
        verifier.verify(issuer.token("old"))


def test_silent_issuer_with_no_keys_known_is_a_passing_fault_and_not_a_refusal(issuer: Issuer) -> None:
    issuer.is_silent = True
    with pytest.raises(RetryableError):
        issuer.verifier().verify(issuer.token("old"))


def test_token_signed_with_the_public_key_as_a_secret_is_refused(issuer: Issuer) -> None:
    header = {"alg": "HS256", "kid": "old"}
    assert refusal(issuer.verifier(), unsigned(header, claims()) + "AAAA") is Code.UNAUTHORIZED
