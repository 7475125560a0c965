"""Names of mints in no list: what they cost an account."""

import json
from collections.abc import Collection, Mapping

import pytest

from chalicelib.adapters import base58
from chalicelib.domain.errors import Code, FieldError, LimitExceededError
from chalicelib.handlers.named_tokens import tokens_for, unread_mints
from chalicelib.handlers.websocket import message
from chalicelib.services.mints import LearnMints
from tests.deploy.events import ORDER, socket_event
from tests.unit.handlers.conftest import Wired

QUOTES = 40
"""At once: twice those of a second, by default."""


def a_mint(number: int) -> str:
    return base58.encode(bytes([number + 1] * 32))


KNOWN = a_mint(100)


class CountedMints:
    """``Mints`` that know of one mint, and count how often they are asked."""

    def __init__(self) -> None:
        self.asked = 0

    def decimals(self, mints: Collection[str]) -> Mapping[str, int]:
        self.asked += 1
        return {mint: 6 for mint in mints if mint == KNOWN}


@pytest.fixture
def mints(wired: Wired) -> CountedMints:
    counted = CountedMints()
    vars(wired.services)["mints"] = LearnMints(wired.services.tokens, counted)
    return counted


def test_mint_is_asked_for_once_and_listed_tokens_never(wired: Wired, mints: CountedMints) -> None:
    for _ in range(2 * QUOTES):
        tokens = tokens_for(wired.services, "alice", ("SOL", KNOWN))
        assert tokens.named(KNOWN, field="inputToken").scale == 6
    assert mints.asked == 1


def test_made_up_mints_are_asked_for_as_often_as_an_account_may_have_quotes(
    wired: Wired, mints: CountedMints
) -> None:
    for number in range(QUOTES):
        with pytest.raises(FieldError):
            tokens_for(wired.services, "alice", (a_mint(number),)).named(a_mint(number), field="inputToken")
    with pytest.raises(LimitExceededError) as refused:
        tokens_for(wired.services, "alice", (a_mint(QUOTES),))
    assert refused.value.code is Code.RATE_LIMITED
    with pytest.raises(LimitExceededError):
        unread_mints(wired.services, "alice", (a_mint(QUOTES),))
    assert mints.asked == QUOTES
    assert tokens_for(wired.services, "bob", (a_mint(QUOTES),)) is wired.services.tokens
    assert mints.asked == QUOTES + 1


def test_orders_of_listed_tokens_go_on_beside_refused_names(wired: Wired, mints: CountedMints) -> None:
    for number in range(QUOTES + 1):
        said(wired, inputToken=a_mint(number))
    assert said(wired, inputToken=a_mint(QUOTES))["code"] == "RATE_LIMITED"
    assert said(wired)["type"] == "accepted"
    assert mints.asked == QUOTES


def said(wired: Wired, **terms: str) -> dict[str, str]:
    """Submit an order; return the connection's last frame."""
    event = socket_event("MESSAGE", connection_id="c=", body=json_order(terms))
    event["requestContext"]["authorizer"] = {"principalId": "alice"}
    message(event)
    frame: dict[str, str] = wired.frames("c=")[-1]
    return frame


def json_order(terms: Mapping[str, str]) -> str:
    return json.dumps({"action": "submit", **ORDER, **terms})
