"""One table: what a refusal is over HTTP."""

from typing import Final

from chalicelib.domain.errors import (
    Code,
    ConflictError,
    ExecutionError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    RetryableError,
    UnauthorizedError,
)

_STATUSES: Final[tuple[tuple[type[ExecutionError], int], ...]] = (
    (InvalidRequestError, 400),
    (UnauthorizedError, 401),
    (NotFoundError, 404),
    (ConflictError, 409),
    (LimitExceededError, 429),
    (RetryableError, 503),
    # Understood, and cannot be done: no route, no liquidity.
    (ExecutionError, 422),
)

_STATUSES_BY_CODE: Final = {Code.FORBIDDEN: 403, Code.MESSAGE_TOO_LARGE: 413}


def http_status(error: ExecutionError) -> int:
    """Return the HTTP status of a refusal."""
    if error.code in _STATUSES_BY_CODE:
        return _STATUSES_BY_CODE[error.code]
    return next(status for kind, status in _STATUSES if isinstance(error, kind))
