"""Tokens and limits as the settings say."""

from typing import Any

import jwt
import pytest

from chalicelib.bootstrap.access import Access
from chalicelib.bootstrap.clients import Clients
from chalicelib.config import Settings
from chalicelib.domain.errors import LimitExceededError, UnauthorizedError
from chalicelib.services.intake.rates import RequestKind
from tests.fakes.ports import FrozenClock
from tests.security.tokens import AUDIENCE, ISSUER, SECRET, claims, token

ACCOUNT = "alice"


def access(**settings: Any) -> Access:
    verified = {"jwt_secret": SECRET, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    made = Settings(**(verified | settings))
    return Access(made, FrozenClock(), Clients(made))


def admitted(made: Access, kind: RequestKind) -> int:
    """How many requests of a kind an account may make at once."""
    for number in range(10_000):
        try:
            made.requests.admit(ACCOUNT, kind)
        except LimitExceededError:
            return number
    raise AssertionError("there is no limit")


def test_token_is_verified_by_the_shared_secret_for_issuer_and_audience() -> None:
    assert access().verifier.verify(token()).account_id == ACCOUNT
    with pytest.raises(UnauthorizedError):
        access(jwt_audience="other").verifier.verify(token())


def test_algorithm_is_the_one_that_was_chosen_and_no_other() -> None:
    secret = 2 * SECRET
    with pytest.raises(UnauthorizedError):
        access(jwt_secret=secret).verifier.verify(jwt.encode(claims(), secret, algorithm="HS512"))


@pytest.mark.parametrize(
    ("kind", "at_once"),
    [
        (RequestKind.QUOTE, 6),
        (RequestKind.PING, 8),
        (RequestKind.CANCEL, 10),
        (RequestKind.READ, 12),
        (RequestKind.SUBSCRIBE, 30),  # as many as there may be: a lost network brings all of them back
        (RequestKind.CONNECT, 40),  # likewise
    ],
)
def test_each_kind_of_request_has_the_rate_of_its_setting(kind: RequestKind, at_once: int) -> None:
    made = access(
        quotes_per_second_max=3,
        pings_per_second_max=4,
        cancels_per_second_max=5,
        reads_per_second_max=6,
        subscribes_per_second_max=7,
        subscriptions_max=30,
        connects_per_second_max=8,
        connections_max=40,
    )
    assert admitted(made, kind) == at_once


def test_orders_have_a_burst_of_their_own() -> None:
    made = access(orders_burst_max=2, orders_per_second_max=1)
    made.orders.admit(ACCOUNT)
    made.orders.admit(ACCOUNT)
    with pytest.raises(LimitExceededError):
        made.orders.admit(ACCOUNT)


def test_limits_on_messages_are_those_of_the_settings() -> None:
    made = access(message_bytes_max=10, json_depth_max=2, text_length_max=3).messages
    assert (made.bytes_max, made.depth_max, made.text_length_max) == (10, 2, 3)
