import json

import pytest

from chalice_offline.gateway.frames import reply_frame
from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut


def reply(outcome: Outcome, *, has_route_response: bool = False) -> str | None:
    return reply_frame(
        outcome,
        connection_id="C=",
        request_id="R=",
        integration_timeout_s=29,
        has_route_response=has_route_response,
    )


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Raised("KeyError", "x"), "Internal server error"),
        (TimedOut(29), "Endpoint request timed out"),
        (TimedOut(3), "Internal server error"),
        (Returned(None), "Internal server error"),
    ],
)
@pytest.mark.parametrize("has_route_response", [True, False])
def test_failed_integration_is_reported_to_the_sender(
    outcome: Outcome, message: str, *, has_route_response: bool
) -> None:
    frame = reply(outcome, has_route_response=has_route_response)
    assert frame is not None
    assert json.loads(frame) == {"message": message, "connectionId": "C=", "requestId": "R="}


@pytest.mark.parametrize("status", [200, 404, 500])
def test_body_needs_a_route_response_whatever_the_status(status: int) -> None:
    outcome = Returned({"statusCode": status, "body": "text"})
    assert reply(outcome) is None
    assert reply(outcome, has_route_response=True) == "text"


def test_absent_body_gives_no_frame() -> None:
    assert reply(Returned({"statusCode": 200}), has_route_response=True) is None


def test_body_that_is_longer_than_a_message_fails_the_integration() -> None:
    longest = "ü" * (64 * 1024)
    assert reply(Returned({"statusCode": 200, "body": longest}), has_route_response=True) == longest
    frame = reply(Returned({"statusCode": 200, "body": longest + "x"}), has_route_response=True)
    assert frame is not None
    assert json.loads(frame)["message"] == "Internal server error"


def test_body_with_half_of_a_surrogate_pair_reaches_the_sender_with_a_mark_instead() -> None:
    assert reply(Returned({"statusCode": 200, "body": "a\ud800b"}), has_route_response=True) == "a?b"
