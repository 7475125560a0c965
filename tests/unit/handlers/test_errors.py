"""What a refusal is over HTTP."""

import pytest

from chalicelib.domain.errors import (
    Code,
    ConflictError,
    ExecutionError,
    FieldError,
    InvalidTransitionError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    RetryableError,
    UnauthorizedError,
    UnknownOutcomeError,
    VenueUnavailableError,
)
from chalicelib.handlers.errors import defect, http_status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FieldError("amount", "must be greater than 0"), 400),
        (FieldError("message", "must have at most 9 bytes", Code.MESSAGE_TOO_LARGE), 413),
        (UnauthorizedError(Code.UNAUTHORIZED, "no"), 401),
        (UnauthorizedError(Code.FORBIDDEN, "no"), 403),
        (NotFoundError(), 404),
        (ConflictError(Code.ORDER_ALREADY_FINAL, "no"), 409),
        (LimitExceededError(Code.RATE_LIMITED, "no"), 429),
        (RefusedError(Code.NO_ROUTE, "no"), 422),
        (InvalidTransitionError("failed", "routing"), 500),
        (defect(), 500),
        (RetryableError("later"), 503),
        (VenueUnavailableError("later"), 503),
        (UnknownOutcomeError("perhaps", None), 503),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ExecutionError) else str(value),
)
def test_refusal_has_its_status(error: ExecutionError, status: int) -> None:
    assert http_status(error) == status
