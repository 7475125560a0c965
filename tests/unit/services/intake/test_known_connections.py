"""Whose a connection is: looked up once, remembered within bounds, and never guessed."""

import pytest

from chalicelib.domain.errors import Code, RetryableError, UnauthorizedError
from chalicelib.domain.principals import Principal
from chalicelib.services.intake.known_connections import KnownConnections
from chalicelib.services.intake.limits import NotedConnection
from tests.fakes.orders import NOON
from tests.fakes.usage import FakeUsage


def usage_with(*connection_ids: str) -> FakeUsage:
    usage = FakeUsage()
    for each in connection_ids:
        usage.note_connection(each, "alice", NOON, batched=False, limit=1)
    return usage


def test_connection_is_looked_up_once() -> None:
    usage = usage_with("c=")
    known = KnownConnections(usage)
    noted = NotedConnection(Principal("alice", NOON), is_batched=False)
    assert [known.find("c="), known.find("c=")] == [noted, noted]
    assert usage.looked_up == ["c="]


def test_connection_that_is_not_noted_is_nobodys_until_it_is() -> None:
    usage = FakeUsage()
    known = KnownConnections(usage)
    with pytest.raises(UnauthorizedError) as refused:
        known.find("c=")
    assert refused.value.code is Code.UNAUTHORIZED
    usage.note_connection("c=", "alice", NOON, batched=False, limit=1)
    assert known.find("c=").principal.account_id == "alice"


def test_record_that_does_not_answer_says_nothing_about_the_connection() -> None:
    usage = usage_with("c=")
    usage.is_down = True
    with pytest.raises(RetryableError):
        KnownConnections(usage).find("c=")


def test_connection_unused_the_longest_is_forgotten_first() -> None:
    usage = usage_with("a", "b", "c")
    known = KnownConnections(usage, connections_max=2)
    for each in ("a", "b", "a", "c", "a", "b"):
        known.find(each)
    assert usage.looked_up == ["a", "b", "c", "b"]
