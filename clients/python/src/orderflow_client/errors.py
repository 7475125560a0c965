"""What can go wrong, by what a caller can do about it.

OrderflowError
  RefusedError                  told by the engine, nothing changed: ``code``, ``message``, ``details``
    InvalidRequestError           the request breaks a rule; ``details`` names each
    UnauthorizedError             the credential is missing, wrong, expired, or may not do this
    NotFoundError                 the account has no such order
    ConflictError                 the order's state or content forbids it
      ClientOrderIdConflictError    the clientOrderId belongs to an order with other terms
      OrderAlreadySentError         it may land, and can no longer be canceled or changed
      OrderAlreadyFinalError        it has ended already
      OrderChangedError             it has had another event than ``if_seq`` says
    LimitReachedError             too many requests, orders or connections
    CannotBeDoneError             understood, and impossible now: no route, no liquidity
    UnavailableError              a passing fault, which lasted as long as this client tries
    DefectError                   a defect of the engine
  UnknownOutcomeError           perhaps done, perhaps not: ask for the order, or submit its key again
  DisconnectedError             the engine was not reached in time; nothing was sent
  ClientClosedError             the client was closed
  WithinTokenError              called by the function that makes the client's own token
  ProtocolError                 the engine said what its contract does not
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple


class FieldProblem(NamedTuple):
    """A field that breaks a rule, in the names of the wire."""

    field: str
    problem: str


class OrderflowError(Exception):
    """Any error of this package."""


class RefusedError(OrderflowError):
    """The engine refused, and nothing changed.

    Attributes:
        code: Stable; every code is in the engine's docs/api/errors.md.
        retry_after_s: Seconds to wait before trying again, if the engine said so.
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: Sequence[FieldProblem] = (),
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        # An error may come out of another process, and its text is not what it is made of.
        return type(self), (self.code, self.message, self.details), vars(self)


class InvalidRequestError(RefusedError):
    pass


class UnauthorizedError(RefusedError):
    pass


class NotFoundError(RefusedError):
    pass


class ConflictError(RefusedError):
    pass


class ClientOrderIdConflictError(ConflictError):
    pass


class OrderAlreadySentError(ConflictError):
    pass


class OrderAlreadyFinalError(ConflictError):
    pass


class OrderChangedError(ConflictError):
    pass


class LimitReachedError(RefusedError):
    pass


class CannotBeDoneError(RefusedError):
    pass


class UnavailableError(RefusedError):
    pass


class DefectError(RefusedError):
    pass


class UnknownOutcomeError(OrderflowError):
    """What was asked for may have been done, or not.

    Attributes:
        order_id: The order to ask for, if it is known.
        client_order_id: Submitting the same terms under it again is safe.
    """

    def __init__(
        self, message: str, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.order_id = order_id
        self.client_order_id = client_order_id


class DisconnectedError(OrderflowError):
    pass


class ClientClosedError(OrderflowError):
    pass


class WithinTokenError(OrderflowError):
    """The function that makes a client's token called that client, which waits for the token."""

    def __init__(self) -> None:
        super().__init__(
            "called within the function that makes this client's token, which it would wait for for ever: "
            "use another client there; nothing was sent"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


class ProtocolError(OrderflowError):
    pass


MAY_PASS: Final = (DisconnectedError, UnavailableError, LimitReachedError, UnknownOutcomeError)
"""What ends a read while the engine is away for longer than one call may take: who follows reads again."""

OUTCOME_UNKNOWN: Final = "OUTCOME_UNKNOWN"

_BY_CODE: Final[Mapping[str, type[RefusedError]]] = {
    "INVALID_JSON": InvalidRequestError,
    "INVALID_REQUEST": InvalidRequestError,
    "UNKNOWN_ACTION": InvalidRequestError,
    "MESSAGE_TOO_LARGE": InvalidRequestError,
    "JSON_TOO_DEEP": InvalidRequestError,
    "TEXT_TOO_LONG": InvalidRequestError,
    "TOO_MANY_DECIMALS": InvalidRequestError,
    "PAGE_TOO_LARGE": InvalidRequestError,
    "METHOD_NOT_ALLOWED": InvalidRequestError,
    "UNSUPPORTED_MEDIA_TYPE": InvalidRequestError,
    "ORDER_NOT_FOUND": NotFoundError,
    "NOT_FOUND": NotFoundError,
    "ORDER_ARCHIVED": NotFoundError,
    "TOO_LARGE_TO_AUDIT": ConflictError,
    "REDRIVE_REFUSED": ConflictError,
    "CLIENT_ORDER_ID_CONFLICT": ClientOrderIdConflictError,
    "ORDER_ALREADY_SENT": OrderAlreadySentError,
    "ORDER_ALREADY_FINAL": OrderAlreadyFinalError,
    "ORDER_CHANGED": OrderChangedError,
    "UNAUTHORIZED": UnauthorizedError,
    "FORBIDDEN": UnauthorizedError,
    "RATE_LIMITED": LimitReachedError,
    "TOO_MANY_OPEN_ORDERS": LimitReachedError,
    "TOO_MANY_RESTING_ORDERS": LimitReachedError,
    "TOO_MANY_SUBSCRIPTIONS": LimitReachedError,
    "TOO_MANY_CONNECTIONS": LimitReachedError,
    "SERVICE_UNAVAILABLE": UnavailableError,
    "INTERNAL_ERROR": DefectError,
    "NO_ROUTE": CannotBeDoneError,
    "INSUFFICIENT_LIQUIDITY": CannotBeDoneError,
    "INSUFFICIENT_FUNDS": CannotBeDoneError,
}
# What a gateway in front of the engine says has a status and no code.
_BY_STATUS: Final[Mapping[int, tuple[str, type[RefusedError]]]] = {
    400: ("INVALID_REQUEST", InvalidRequestError),
    401: ("UNAUTHORIZED", UnauthorizedError),
    403: ("FORBIDDEN", UnauthorizedError),
    404: ("NOT_FOUND", NotFoundError),
    405: ("METHOD_NOT_ALLOWED", InvalidRequestError),
    409: ("CONFLICT", ConflictError),
    413: ("MESSAGE_TOO_LARGE", InvalidRequestError),
    415: ("UNSUPPORTED_MEDIA_TYPE", InvalidRequestError),
    429: ("RATE_LIMITED", LimitReachedError),
}
_PASSES: Final = frozenset({"RATE_LIMITED", "SERVICE_UNAVAILABLE", "TOO_MANY_CONNECTIONS"})


def error_from(
    body: Mapping[str, Any], *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> RefusedError | UnknownOutcomeError:
    """Return the error that a frame, or a status, headers and body of HTTP, tell of.

    Codes that this version does not know are sorted by the status, else they are a plain ``RefusedError``.
    """
    headers = headers or {}
    message = str(body.get("message") or _where_to(status, headers) or "refused")
    code = body.get("code")
    if code == OUTCOME_UNKNOWN:
        order_id = body.get("orderId")
        return UnknownOutcomeError(message, order_id=order_id if isinstance(order_id, str) else None)
    kind: type[RefusedError] = RefusedError
    if isinstance(code, str) and code in _BY_CODE:
        kind = _BY_CODE[code]
    elif status is not None:
        said, kind = _BY_STATUS.get(status, _by_class(status))
        if status == 404 and not isinstance(code, str):
            kind = RefusedError  # a gateway has no such path: that says nothing of an order
        code = code if isinstance(code, str) else said
    asked = headers.get("Retry-After", "")
    return kind(
        str(code or "UNKNOWN"),
        message,
        _problems(body.get("details")),
        retry_after_s=float(asked) if asked.isascii() and asked.isdigit() else None,
    )


def passes(error: RefusedError) -> bool:
    """Return whether the same request may succeed in a moment."""
    return error.code in _PASSES


def _where_to(status: int | None, headers: Mapping[str, str]) -> str | None:
    if status is None or not 300 <= status < 400:
        return None
    return f"sent on to {headers.get('Location', 'nowhere')}: only the address that was given is asked"


def _by_class(status: int) -> tuple[str, type[RefusedError]]:
    if status == 422:
        return "REFUSED", CannotBeDoneError
    return ("SERVICE_UNAVAILABLE", UnavailableError) if status >= 500 else ("REFUSED", RefusedError)


def _problems(details: Any) -> list[FieldProblem]:
    if not isinstance(details, list):
        return []
    return [
        FieldProblem(str(each.get("field")), str(each.get("problem")))
        for each in details
        if isinstance(each, dict)
    ]
