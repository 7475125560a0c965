"""Refused requests, counted for ``GET /metrics`` where that is turned on; elsewhere nothing is done."""

from chalicelib.bootstrap import services
from chalicelib.domain.errors import ExecutionError, RetryableError
from chalicelib.logs import logger


def note(refusal: ExecutionError) -> None:
    """Count a refusal. Raises nothing: the client's answer does not depend on it."""
    try:
        use = services()
        if use.settings.metrics:
            use.count_refusals.count(refusal.code, may_write=not isinstance(refusal, RetryableError))
    except Exception:  # noqa: BLE001  # a number is not worth an answer
        logger.exception("defect", doing="counting a refusal")
