"""One table: what a refusal is over HTTP."""

from typing import Final

from chalicelib.domain.errors import (
    ArchivedError,
    Code,
    ConflictError,
    ExecutionError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    RetryableError,
    UnauthorizedError,
    UnknownOutcomeError,
)

_STATUSES: Final[tuple[tuple[type[ExecutionError], int], ...]] = (
    (InvalidRequestError, 400),
    (UnauthorizedError, 401),
    (NotFoundError, 404),
    (ArchivedError, 410),
    (ConflictError, 409),
    (LimitExceededError, 429),
    (RetryableError, 503),
    (UnknownOutcomeError, 503),
    # Understood, and cannot be done: no route, no liquidity.
    (ExecutionError, 422),
)

_STATUSES_BY_CODE: Final = {
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.MESSAGE_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.INTERNAL_ERROR: 500,
}


def http_status(error: ExecutionError) -> int:
    """Return the HTTP status of a refusal."""
    return status_of(type(error), error.code)


def status_of(kind: type[ExecutionError], code: Code) -> int:
    """Return the HTTP status of a kind of refusal with a code: the documents are made from the same table."""
    if code in _STATUSES_BY_CODE:
        return _STATUSES_BY_CODE[code]
    return next(status for each, status in _STATUSES if issubclass(kind, each))


def defect() -> ExecutionError:
    """Return what is said of a defect of ours: what it was stands in the log alone."""
    return ExecutionError(Code.INTERNAL_ERROR, "an unexpected error of the engine; it has been logged")
