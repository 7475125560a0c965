"""The keys that tokens are verified with: an issuer's set, as it is rotated, falls silent, or is strange."""

import json
import logging
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.adapters.jwt_keys import JwksKeys
from chalicelib.adapters.jwt_verifier import JwtVerifier
from chalicelib.domain.errors import Code, RetryableError
from chalicelib.logs import SERVICE
from tests.security.tokens import SECRET, a_verifier, claims, refusal, unsigned


@cache
def private_key(_key_id: str) -> rsa.RSAPrivateKey:
    """Make a key once: its primes take 50 ms to find, and keys of one name are one issuer's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Publishes keys, counts who asks, and can fall silent."""

    def __init__(self, *key_ids: str) -> None:
        self.private = {key_id: private_key(key_id) for key_id in key_ids}
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


@pytest.fixture
def issuer() -> Issuer:
    made = Issuer("old", "new")
    made.published = ["old"]
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


def published(**members: Any) -> dict[str, Any]:
    """Return a set with every kind of key beside the one that tokens are signed with,
    and what is no key at all.
    """
    curve = json.loads(
        jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())
    )
    edwards = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key()))
    secret = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}
    strange: list[Any] = [
        7, None, "key", [], {}, {"kty": "RSA"}, {"kty": "RSA", "n": 5, "e": "AQAB", "kid": "five"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off"}, {**curve, "kid": ["a", "list"]},
        {"kty": "EC", "crv": "nonsense", "x": "AA", "y": "AA"}, {"kty": ["RSA"]},
        {"kty": "OKP", "crv": "X448"},
    ]  # fmt: skip
    mixed = [{**curve, "kid": "curve"}, {**edwards, "kid": "edwards"}, {**secret, "kid": "secret"}]
    return {"keys": [*strange, *mixed, *members.get("keys", [])]}


def mixed_keys(issuer: Issuer) -> JwksKeys:
    return JwksKeys(
        lambda: published(**issuer.fetch()),
        lifespan_s=600,
        refresh_interval_s=0,
        monotonic=lambda: issuer.now,
    )


@pytest.mark.parametrize("named", ["curve", "edwards", "secret", "five", "off", "nobody", None])
@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_token_that_names_a_key_of_another_kind_is_refused(named: str | None, algorithm: str) -> None:
    issuer = Issuer("mine")
    verifier = a_verifier(mixed_keys(issuer), algorithm)
    header = {"alg": algorithm, "kid": named, "typ": "JWT"}
    parts = unsigned({name: value for name, value in header.items() if value}, claims())
    assert refusal(verifier, f"{parts}AAAA") is Code.UNAUTHORIZED


def test_set_with_members_that_are_no_keys_still_has_its_good_ones() -> None:
    issuer = Issuer("mine")
    signed = jwt.encode(claims(), issuer.private["mine"], algorithm="RS256", headers={"kid": "mine"})
    assert a_verifier(mixed_keys(issuer), "RS256").verify(signed).account_id == "alice"


@pytest.mark.parametrize(
    ("use", "is_taken"), [({"use": "sig"}, True), ({}, True), ({"use": "enc"}, False), ({"use": 5}, False)]
)
def test_key_that_was_made_for_anything_but_signatures_verifies_none(
    use: dict[str, Any], *, is_taken: bool
) -> None:
    issuer = Issuer("mine", "other")
    of_mine, of_other = issuer.fetch()["keys"]
    del of_mine["use"]
    keys = JwksKeys(lambda: {"keys": [{**of_mine, **use}, of_other]}, lifespan_s=600, refresh_interval_s=30)
    verifier = a_verifier(keys, "RS256")
    if is_taken:
        assert verifier.verify(issuer.token("mine")).account_id == "alice"
    else:
        assert refusal(verifier, issuer.token("mine")) is Code.UNAUTHORIZED


def test_issuer_is_asked_again_for_an_unknown_key_once_an_interval(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token("old"))
    for elapsed_s, requests in ((29.9, 1), (0.1, 2), (29.9, 2), (0.1, 3)):
        issuer.now += elapsed_s
        assert refusal(verifier, issuer.token("new")) is Code.UNAUTHORIZED
        assert issuer.requests == requests


def test_silent_issuer_is_not_asked_again_within_an_interval(issuer: Issuer) -> None:
    issuer.is_silent = True
    verifier = issuer.verifier()
    for _ in range(3):
        with pytest.raises(RetryableError):
            verifier.verify(issuer.token("old"))
    assert issuer.requests == 1
    issuer.is_silent, issuer.now = False, issuer.now + 30
    assert verifier.verify(issuer.token("old")).account_id == "alice"


def test_issuer_without_a_key_so_far_is_asked_again_soon(issuer: Issuer) -> None:
    issuer.is_silent = True
    verifier = issuer.verifier()
    with pytest.raises(RetryableError):
        verifier.verify(issuer.token("old"))
    issuer.is_silent, issuer.now = False, issuer.now + 5
    assert verifier.verify(issuer.token("old")).account_id == "alice"


@pytest.mark.parametrize("name", ["mine", None])
@pytest.mark.parametrize("is_last", [True, False])
def test_keys_of_one_name_are_each_tried(name: str | None, *, is_last: bool) -> None:
    """A type of key each may have the same one (RFC 7517, 4.5), and during a rotation none may have any."""
    issuer = Issuer("mine", "other")
    named = [{**each, "kid": name} for each in [*published()["keys"][-3:], *issuer.fetch()["keys"]]]
    keys = JwksKeys(
        lambda: {"keys": named if is_last else named[::-1]}, lifespan_s=600, refresh_interval_s=30
    )
    verifier, headers = a_verifier(keys, "RS256"), {"kid": name} if name else {}
    for key_id in ("mine", "other"):
        signed = jwt.encode(claims(), issuer.private[key_id], algorithm="RS256", headers=headers)
        assert verifier.verify(signed).account_id == "alice"
    foreign = jwt.encode(claims(), private_key("foreign"), algorithm="RS256", headers=headers)
    assert refusal(verifier, foreign) is Code.UNAUTHORIZED


def test_set_full_of_what_cannot_be_read_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    keys = JwksKeys(lambda: {"keys": [1] * 1_000}, lifespan_s=600, refresh_interval_s=30)
    with caplog.at_level(logging.INFO, SERVICE), pytest.raises(RetryableError):
        keys.named("mine")
    unread, kept = caplog.records
    assert (unread.message, unread.__dict__["count"]) == ("signing keys not read", 1_000)
    # JSON has no infinity, which is how old no keys at all are.
    assert (kept.message, kept.__dict__["age_s"]) == ("signing keys not refreshed", None)


def test_keys_are_fetched_anew_only_when_older_than_a_lifespan_and_good_for_two(issuer: Issuer) -> None:
    verifier = issuer.verifier()
    verifier.verify(issuer.token("old"))
    began, issuer.is_silent = issuer.now, True
    issuer.now = began + 600
    verifier.verify(issuer.token("old"))
    assert issuer.requests == 1
    issuer.now = began + 1_200
    assert verifier.verify(issuer.token("old")).account_id == "alice"
    assert issuer.requests == 2
    issuer.now = began + 1_201
    with pytest.raises(RetryableError):
        verifier.verify(issuer.token("old"))


@pytest.mark.parametrize("document", [{}, {"keys": 5}, {"keys": {}}, {"keys": []}, {"keys": [None, 1, "a"]}])
def test_set_without_a_key_is_a_passing_fault(document: dict[str, Any]) -> None:
    keys = JwksKeys(lambda: document, lifespan_s=600, refresh_interval_s=30)
    with pytest.raises(RetryableError):
        keys.named("mine")
