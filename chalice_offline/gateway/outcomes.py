"""What an invocation's outcome means to API Gateway: a proxy response, or a failed integration.

The texts are AWS's own, as clients see them in error frames and HTTP bodies.
"""

import json
import re
from collections.abc import Iterable, Mapping
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
    outcome: Outcome, *, integration_timeout_s: float, default_status: int = 0
) -> ProxyResponse | IntegrationFailure:
    """Return the function's proxy response, or how the integration failed.

    A function that ran into its own, shorter time-out failed; only one that outlasted the
    integration's time-out timed out.

    Args:
        default_status: Of a response that names none; with 0 that is no response.
    """
    match outcome:
        case Returned(payload):
            status = _proxy_status(payload, default_status)
            return ProxyResponse(status, payload) if status else _FAILED
        case Raised():
            return _FAILED
        case TimedOut(after_s):
            return _FAILED if after_s < integration_timeout_s else _TIMED_OUT


def answer_headers(payload: Mapping[str, Any]) -> tuple[Pairs, Pairs] | None:
    """Return a proxy response's headers with one value and those with several; None if they are none.

    Numbers and booleans are texts as in JSON (``true``, recorded on AWS by localstack/localstack,
    ``test_aws_proxy_response_payload_format_validation``); a header that is null is none.
    """
    single, multiple = payload.get("headers") or {}, payload.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        return None
    if not all(isinstance(values, list) for values in multiple.values()):
        return None
    several = [(name, value) for name, values in multiple.items() for value in values]
    if any(isinstance(value, dict | list) for _, value in [*single.items(), *several]):
        return None
    return _as_texts(single.items()), _as_texts(several)


def is_sendable(name: str, value: str) -> bool:
    """Return whether a header has a name, and would not break a response's framing."""
    return _TOKEN.fullmatch(name) is not None and _CONTROLS.isdisjoint(value)


def _as_texts(headers: Iterable[tuple[str, Any]]) -> Pairs:
    return [
        (str(name), json.dumps(value) if isinstance(value, bool) else str(value))
        for name, value in headers
        if value is not None
    ]


def _proxy_status(payload: Any, default: int) -> int:
    """Return a Lambda proxy response's status, or 0 if the payload is no such response."""
    try:
        status = int(payload.get("statusCode", default))
    except (AttributeError, TypeError, ValueError, OverflowError):  # the last for Infinity
        return 0
    return status if 200 <= status <= 599 else 0


_FAILED: Final = IntegrationFailure(502, INTERNAL_SERVER_ERROR)
_TIMED_OUT: Final = IntegrationFailure(504, ENDPOINT_TIMED_OUT)
