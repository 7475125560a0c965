"""What an invocation's outcome means to API Gateway: a proxy response, or a failed integration.

The texts are AWS's own, as clients see them in error frames and HTTP bodies.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalice_offline.invocation import Outcome, Raised, Returned, TimedOut

INTERNAL_SERVER_ERROR: Final = "Internal server error"
ENDPOINT_TIMED_OUT: Final = "Endpoint request timed out"
FORBIDDEN: Final = "Forbidden"

# RFC 9110, 5.6.2.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROLS: Final = frozenset("\r\n\0")

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class IntegrationFailure:
    """Why an integration gave no usable response, as the HTTP status and text that stand for it."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class ProxyResponse:
    """A Lambda proxy response with a usable status (200 to 599)."""

    status: int
    payload: Mapping[str, Any]


def integration_answer(
    outcome: Outcome, *, integration_timeout_s: float
) -> ProxyResponse | IntegrationFailure:
    """Return the function's proxy response, or how the integration failed.

    A function that ran into its own, shorter time-out failed; only one that outlasted the
    integration's time-out timed out.
    """
    match outcome:
        case Returned(payload):
            status = _proxy_status(payload)
            return ProxyResponse(status, payload) if status else _FAILED
        case Raised():
            return _FAILED
        case TimedOut(after_s):
            return _FAILED if after_s < integration_timeout_s else _TIMED_OUT


def answer_headers(payload: Mapping[str, Any]) -> tuple[Pairs, Pairs] | None:
    """Return a proxy response's headers with one value and those with several; None if they are none."""
    single, multiple = payload.get("headers") or {}, payload.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        return None
    if not all(isinstance(values, list) for values in multiple.values()):
        return None
    return (
        [(str(name), str(value)) for name, value in single.items()],
        [(str(name), str(value)) for name, values in multiple.items() for value in values],
    )


def is_sendable(name: str, value: str) -> bool:
    """Return whether a header has a name, and would not break a response's framing."""
    return _TOKEN.fullmatch(name) is not None and _CONTROLS.isdisjoint(value)


def _proxy_status(payload: Any) -> int:
    """Return a Lambda proxy response's status, or 0 if the payload is no such response."""
    try:
        status = int(payload["statusCode"])
    except (KeyError, TypeError, ValueError, OverflowError):  # the last for Infinity
        return 0
    return status if 200 <= status <= 599 else 0


_FAILED: Final = IntegrationFailure(502, INTERNAL_SERVER_ERROR)
_TIMED_OUT: Final = IntegrationFailure(504, ENDPOINT_TIMED_OUT)
