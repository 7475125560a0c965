"""What is told of a request that was sent more than once."""

import pytest

from orderflow_client.errors import (
    ClientOrderIdConflictError,
    DisconnectedError,
    LimitReachedError,
    NotFoundError,
    OrderflowError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from orderflow_client.tries import Effect, Tries

LOST = UnknownOutcomeError("no answer came", order_id="1")
BUSY = LimitReachedError("RATE_LIMITED", "later")
FULL = LimitReachedError("TOO_MANY_OPEN_ORDERS", "no more")
EXPIRED = UnauthorizedError("UNAUTHORIZED", "expired")
AWAY = DisconnectedError("away")


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("error", [BUSY, FULL, EXPIRED, AWAY])
def test_error_of_a_request_of_which_no_answer_was_lost_is_told_as_it_is(
    effect: Effect, error: OrderflowError
) -> None:
    tries = Tries(effect)
    assert tries.may_follow(error) is (error in (BUSY, AWAY))
    assert tries.failed(error) is error


@pytest.mark.parametrize("error", [BUSY, FULL, EXPIRED, AWAY])
def test_change_of_which_an_answer_was_lost_is_unknown_whatever_came_of_the_next_try(
    error: OrderflowError,
) -> None:
    tries = Tries(Effect.SAME)
    assert tries.may_follow(LOST)
    tries.may_follow(error)
    told = tries.failed(error)
    assert isinstance(told, UnknownOutcomeError)
    assert (told.order_id, told.__cause__, str(told)) == ("1", error, f"no answer came; then: {error}")


@pytest.mark.parametrize(
    "error",
    [ClientOrderIdConflictError("CLIENT_ORDER_ID_CONFLICT", ""), NotFoundError("ORDER_NOT_FOUND", "")],
)
def test_refusal_that_speaks_for_every_try_is_told_as_it_is(error: OrderflowError) -> None:
    tries = Tries(Effect.SAME, LOST)
    assert tries.failed(error) is error


def test_lost_answer_to_what_acts_again_is_told_at_once_and_one_to_a_read_is_forgotten() -> None:
    again = Tries(Effect.ANOTHER)
    assert not again.may_follow(LOST)
    assert again.failed(LOST) is LOST
    read = Tries(Effect.NOTHING)
    assert read.may_follow(LOST)
    assert read.failed(EXPIRED) is EXPIRED
