"""The edge of the REST API: whatever happens behind it, clients get ``{"code", "message",
"details"}`` and a status.
"""

from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import Any, Final, ParamSpec

from chalice.app import Response

from chalicelib.domain.errors import Code, ExecutionError, InvalidRequestError, LimitExceededError
from chalicelib.handlers import refusals
from chalicelib.handlers.errors import defect, http_status
from chalicelib.logs import logger
from chalicelib.wire.json_text import JsonObject
from chalicelib.wire.server_frames import error_body, json_text

_JSON: Final = {"Content-Type": "application/json"}
_OF_CHALICE: Final = {"Code", "Message"}
_CODES: Final = {405: Code.METHOD_NOT_ALLOWED, 415: Code.UNSUPPORTED_MEDIA_TYPE}
_SERVER_ERRORS: Final = 500

P = ParamSpec("P")


def http_errors(handler: Callable[P, Response]) -> Callable[P, Response]:
    """Answer refusals with their status, and defects of ours with 500;
    a defect is logged with its traceback.
    """

    @wraps(handler)
    def answering(*args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return handler(*args, **kwargs)
        except ExecutionError as refusal:
            logger.warning("request refused", error_code=refusal.code, reason=refusal.message)
            refusals.note(refusal)
            return _refused(refusal)
        except Exception:  # noqa: BLE001  # the outermost edge
            logger.exception("defect", doing=f"answering {handler.__name__}")
            return _refused(defect())

    return answering


def correlated(event: Any, get_response: Callable[[Any], Response]) -> Response:
    """Have each line that is logged while a request is answered name that request, and none before it.

    A Chalice middleware, as the next.
    """
    logger.set_correlation_id(event.context.get("requestId"))
    return get_response(event)


def in_our_words(event: Any, get_response: Callable[[Any], Response]) -> Response:
    """Answer as Chalice would, but in the contract's form; its
    router refuses methods and media types in its own.

    A Chalice middleware: https://aws.github.io/chalice/topics/middleware.html
    """
    try:
        response = get_response(event)
    except Exception:  # noqa: BLE001  # the outermost edge
        logger.exception("defect", doing="routing a request")
        return _refused(defect())
    if not isinstance(response.body, dict) or response.body.keys() != _OF_CHALICE:
        return response
    if response.status_code >= _SERVER_ERRORS:
        return _refused(defect())
    code = _CODES.get(response.status_code, Code.INVALID_REQUEST)
    body = error_body(InvalidRequestError(code, response.body["Message"]))
    return answer(body, response.status_code, dict(response.headers))


def answer(body: JsonObject, status: int = 200, headers: dict[str, Any] | None = None) -> Response:
    """Return a JSON answer."""
    return Response(json_text(body), headers={**(headers or {}), **_JSON}, status_code=status)


def _refused(error: ExecutionError) -> Response:
    return answer(error_body(error), http_status(error), _again_after(error))


def _again_after(error: ExecutionError) -> dict[str, Any]:
    """Return the header that says when to ask again, in whole seconds (RFC 9110, 10.2.3)."""
    wait_s = error.wait_s if isinstance(error, LimitExceededError) else None
    return {} if wait_s is None else {"Retry-After": str(ceil(wait_s))}
