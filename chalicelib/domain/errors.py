"""Every error that the engine names, sorted by what the caller must do.

::

    ExecutionError                    code in SNAKE_CASE, a sentence, details per field
      RefusedError                    final: an error frame or 4xx; an order that exists fails with it
        InvalidRequestError           400: a field breaks a rule
          FieldError                  400: one field breaks one rule
        NotFoundError                 404: unknown, or another account's
        ArchivedError                 410: it ended long ago, and its events are kept elsewhere
        ConflictError                 409: the state of the order forbids it
        UnauthorizedError             401 / 403 before anything is done
        DayCapError                   of an order: more than may be spent in a day
      LimitExceededError              429: a written limit is reached; slow down, and ask again
      RetryableError                  503, or the message comes back later; nothing was done, except after
        VenueUnavailableError         503: a venue did not answer, or not in time
        PlanOutdatedError             of one order alone: its pools have moved, and it is to be planned anew
        KeyUnusableError              of one account alone: its key's holder refuses to sign
        DatabaseInternalError         of one order alone, perhaps: the database failed within itself
        MigrationsMissingError        503: the database is older than the code
        UnansweredError               which may be repeated where that is harmless, and refuses no client
      UnknownOutcomeError             503: perhaps done; ask for the order, or repeat its clientOrderId
      InvalidTransitionError          500: a duplicate or out-of-order transition; never fail the order for it
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from uuid import UUID


class Code(StrEnum):
    """The error codes that clients see: in error frames, REST errors and ``failed`` events."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_REQUEST = "INVALID_REQUEST"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    JSON_TOO_DEEP = "JSON_TOO_DEEP"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    TOO_MANY_DECIMALS = "TOO_MANY_DECIMALS"
    PAGE_TOO_LARGE = "PAGE_TOO_LARGE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    NOT_FOUND = "NOT_FOUND"
    ORDER_NOT_FOUND = "ORDER_NOT_FOUND"
    ORDER_ARCHIVED = "ORDER_ARCHIVED"
    CLIENT_ORDER_ID_CONFLICT = "CLIENT_ORDER_ID_CONFLICT"
    ORDER_ALREADY_SENT = "ORDER_ALREADY_SENT"
    ORDER_ALREADY_FINAL = "ORDER_ALREADY_FINAL"
    ORDER_CHANGED = "ORDER_CHANGED"
    TOO_LARGE_TO_AUDIT = "TOO_LARGE_TO_AUDIT"
    REDRIVE_REFUSED = "REDRIVE_REFUSED"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_MANY_OPEN_ORDERS = "TOO_MANY_OPEN_ORDERS"
    TOO_MANY_RESTING_ORDERS = "TOO_MANY_RESTING_ORDERS"
    TOO_MANY_SUBSCRIPTIONS = "TOO_MANY_SUBSCRIPTIONS"
    TOO_MANY_CONNECTIONS = "TOO_MANY_CONNECTIONS"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    # Why an order failed.
    NO_ROUTE = "NO_ROUTE"
    INSUFFICIENT_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    SLIPPAGE_EXCEEDED = "SLIPPAGE_EXCEEDED"
    TRANSACTION_FAILED = "TRANSACTION_FAILED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    RETRIES_EXHAUSTED = "RETRIES_EXHAUSTED"
    LIMIT_NOT_MET = "LIMIT_NOT_MET"
    TRIGGER_ALREADY_MET = "TRIGGER_ALREADY_MET"
    LAUNCH_FILTERED = "LAUNCH_FILTERED"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One broken rule: the field as the client spells it, and the rule."""

    field: str
    problem: str


OF_THE_MARKET: Final = frozenset({Code.SLIPPAGE_EXCEEDED, Code.INSUFFICIENT_LIQUIDITY})
"""Why a chain refuses what it might take at another price."""


class ExecutionError(Exception):
    """Anything that the engine refuses or cannot do, with a code that clients can rely on."""

    def __init__(self, code: Code, message: str, details: tuple[FieldProblem, ...] = ()) -> None:
        self.code = code
        self.message = message
        self.details = details
        super().__init__(f"{code}: {message}")


class RefusedError(ExecutionError):
    """Final: asking again for the same thing gives the same answer."""


class InvalidRequestError(RefusedError):
    """A field breaks a rule; ``details`` names each."""

    @classmethod
    def of(cls, problems: tuple[FieldProblem, ...], code: Code = Code.INVALID_REQUEST) -> Self:
        """Build one from its problems; the message repeats them for people who read only that."""
        message = "; ".join(f"{p.field} {p.problem}" for p in problems)
        return cls(code, message, problems)


class FieldError(InvalidRequestError):
    """One field breaks one rule."""

    def __init__(self, field: str, problem: str, code: Code = Code.INVALID_REQUEST) -> None:
        super().__init__(code, f"{field} {problem}", (FieldProblem(field, problem),))


class NotFoundError(RefusedError):
    """There is no such order for this account; whether another account has it is not said."""

    def __init__(self) -> None:
        problem = FieldProblem("orderId", "is not an order of this account")
        super().__init__(Code.ORDER_NOT_FOUND, "there is no such order", (problem,))


class ArchivedError(RefusedError):
    """The account's order ended long ago, and its events are in an archive."""

    def __init__(self) -> None:
        problem = FieldProblem("orderId", "is an order that ended long ago and is archived")
        super().__init__(Code.ORDER_ARCHIVED, "the order ended long ago and is archived", (problem,))


class ConflictError(RefusedError):
    """The order exists, and its state or content forbids what was asked."""


class UnauthorizedError(RefusedError):
    """The credential is missing, wrong, expired, or not good enough."""

    @classmethod
    def bad_credential(cls) -> Self:
        """Return the one refusal of every bad credential: why it is bad is not said."""
        return cls(Code.UNAUTHORIZED, "the credential is missing, wrong or expired")


class DayCapError(RefusedError):
    """So much of a token may not be spent today, perhaps as others spent it: an order with a limit waits."""

    def __init__(self, token: str) -> None:
        super().__init__(
            Code.TRANSACTION_FAILED, f"the order takes more {token} than is left of the day's cap"
        )


class LimitExceededError(ExecutionError):
    """A written limit is reached, and nothing was done; the same request can succeed later.

    Attributes:
        wait_s: In how many seconds, if nothing else is asked meanwhile; None if that is not known.
    """

    def __init__(self, code: Code, message: str, *, wait_s: float | None = None) -> None:
        self.wait_s = wait_s
        super().__init__(code, message)


class RetryableError(ExecutionError):
    """A passing fault of something outside: try again later."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.SERVICE_UNAVAILABLE, message)


class VenueUnavailableError(RetryableError):
    """A venue did not answer, or not in time."""


class PlanOutdatedError(RetryableError):
    """Nothing is signed for a plan whose pools have moved since: it is that order's, and no other's."""


class KeyUnusableError(RetryableError):
    """Nothing is signed with one account's key until an operator mends that: no other's order suffers."""


class DatabaseInternalError(RetryableError):
    """The database undid a statement for a fault within itself.

    It may pass, or be one order's for good, such as one whose row cannot be read: no other order suffers from
    it, and nothing is decided by it.
    """


class MigrationsMissingError(RetryableError):
    """The database is older than the code, which asks nothing of it before it has these migrations."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        self.missing = missing
        span = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
        super().__init__(f"the database lacks migration{'s' if len(missing) > 1 else ''} {span}")


class UnansweredError(RetryableError):
    """Something outside was asked, and no answer says whether it did what it was asked.

    What is idempotent can be tried again, as after any passing fault. It must not reach a client as a
    refusal: the code that answers a client raises ``UnknownOutcomeError`` instead.
    """


class UnknownOutcomeError(ExecutionError):
    """Whether a client's wish was carried out is not known; asking for the order tells, sooner or later.

    Attributes:
        order_id: The order that it is about; None if it is about no single one.
    """

    def __init__(self, message: str, order_id: UUID | None) -> None:
        self.order_id = order_id
        super().__init__(Code.OUTCOME_UNKNOWN, message)


class InvalidTransitionError(ExecutionError):
    """A duplicate or out-of-order transition."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(Code.INTERNAL_ERROR, f"an order cannot go from {before} to {after}")


def client_order_id_conflict() -> ConflictError:
    """Return the refusal of other terms under a client order id that is taken."""
    problem = FieldProblem("clientOrderId", "belongs to an order with other terms")
    return ConflictError(
        Code.CLIENT_ORDER_ID_CONFLICT, "an order with this clientOrderId and other terms exists", (problem,)
    )
