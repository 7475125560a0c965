import pytest

from chalice_offline.gateway.connections import (
    BINARY_FRAME,
    DELETED,
    EXPIRED,
    IDLE,
    SHUT_DOWN,
    Closure,
    Connection,
    Phase,
    closed_by_client,
)
from chalice_offline.gateway.settings import GatewayLimits

LIMITS = GatewayLimits(idle_s=600, duration_s=7200)


def a_connection() -> Connection:
    return Connection("C=", 1_000, 1_000, "127.0.0.1", None)


def test_connection_opens_and_closes() -> None:
    connection = a_connection()
    phases = [connection.phase]
    connection.opened(2_000)
    phases.append(connection.phase)
    connection.closed()
    assert [*phases, connection.phase] == [Phase.CONNECTING, Phase.OPEN, Phase.CLOSED]
    assert connection.last_active_ms == 2_000


def test_idle_connection_expires_ten_minutes_after_its_last_activity() -> None:
    connection = a_connection()
    connection.active(5_000)
    assert connection.expiry(LIMITS) == (605_000, IDLE)


def test_busy_connection_expires_two_hours_after_it_began() -> None:
    connection = a_connection()
    connection.active(7_000_000)
    assert connection.expiry(LIMITS) == (7_201_000, EXPIRED)


@pytest.mark.parametrize(
    ("code", "reason", "closure"),
    [
        (1000, "", Closure(1000, "")),
        (4001, "bye", Closure(4001, "bye")),
        (1005, "", Closure(1005, "Client-side close frame status not set")),
        (None, None, Closure(1005, "Client-side close frame status not set")),
        (1006, None, Closure(1006, "")),
    ],
)
def test_close_of_the_client_is_told_as_aws_tells_it(
    code: int | None, reason: str | None, closure: Closure
) -> None:
    assert closed_by_client(code, reason) == closure


def test_gateway_closes_with_the_codes_that_aws_does() -> None:
    told = [(closure.code, closure.reason) for closure in (IDLE, EXPIRED, SHUT_DOWN, DELETED)]
    assert told == [(1001, "Going away")] * 3 + [(1000, "Connection Closed Normally")]
    assert BINARY_FRAME.code == 1003


@pytest.mark.parametrize(
    ("authorizer", "key"),
    [
        (None, "connection C="),
        ({}, "connection C="),
        ({"principalId": ""}, "connection C="),
        ({"principalId": "ann"}, "principal ann"),
    ],
)
def test_turn_is_its_principals_or_its_own_where_none_is_named(
    authorizer: dict[str, str] | None, key: str
) -> None:
    connection = a_connection()
    connection.authorizer = authorizer
    assert connection.caller_key == key
