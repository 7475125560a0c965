"""Every error code in one table."""

from collections.abc import Mapping
from typing import Final

from chalicelib.domain.errors import (
    ArchivedError,
    Code,
    ConflictError,
    ExecutionError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    RetryableError,
    UnauthorizedError,
    UnknownOutcomeError,
)
from chalicelib.handlers.errors import status_of

# Code: the kind of error that a request is refused with (none: only an order that was accepted ends with the
# code), and what it means to the client.
MEANINGS: Final[Mapping[Code, tuple[type[ExecutionError] | None, str]]] = {
    Code.INVALID_JSON: (InvalidRequestError, "The message is not a JSON object (RFC 8259)."),
    Code.INVALID_REQUEST: (InvalidRequestError, "A field breaks a rule; `details` names each."),
    Code.UNKNOWN_ACTION: (
        InvalidRequestError,
        "The frame says neither what to do nor anything to guess it by.",
    ),
    Code.MESSAGE_TOO_LARGE: (InvalidRequestError, "More than `MESSAGE_BYTES_MAX` bytes."),
    Code.JSON_TOO_DEEP: (InvalidRequestError, "Nested deeper than `JSON_DEPTH_MAX`."),
    Code.TEXT_TOO_LONG: (
        InvalidRequestError,
        "A text, name or number is longer than `TEXT_LENGTH_MAX` characters.",
    ),
    Code.TOO_MANY_DECIMALS: (InvalidRequestError, "The amount has more decimals than the token has."),
    Code.PAGE_TOO_LARGE: (InvalidRequestError, "`limit` is above `QUERY_PAGE_SIZE_MAX`."),
    Code.METHOD_NOT_ALLOWED: (InvalidRequestError, "The path does not take this method."),
    Code.UNSUPPORTED_MEDIA_TYPE: (InvalidRequestError, "The body is declared as something that is not JSON."),
    Code.NOT_FOUND: (RefusedError, "There is nothing of that name, or it is turned off."),
    Code.ORDER_NOT_FOUND: (
        NotFoundError,
        "The account has no such order; whether another account has is not said.",
    ),
    Code.ORDER_ARCHIVED: (
        ArchivedError,
        "The order ended more than `RETENTION_DAYS` ago; its events are in an archive, with the operator.",
    ),
    Code.CLIENT_ORDER_ID_CONFLICT: (
        ConflictError,
        (
            "The clientOrderId belongs to an order with other terms. It ends an order if that other one has "
            "executed and the record, restored from a backup, lacks it."
        ),
    ),
    Code.ORDER_ALREADY_SENT: (
        ConflictError,
        "The order is being executed, and can no longer be canceled or amended.",
    ),
    Code.ORDER_ALREADY_FINAL: (ConflictError, "The order has ended already."),
    Code.ORDER_CHANGED: (
        ConflictError,
        "The order has had another event than `ifSeq` says; nothing was amended.",
    ),
    Code.TOO_LARGE_TO_AUDIT: (
        ConflictError,
        "The record is too large for a rule to be checked within one request; `./orderflow audit` checks it.",
    ),
    Code.REDRIVE_REFUSED: (
        ConflictError,
        "Sending the archived message again would be wrong; the message says why.",
    ),
    Code.UNAUTHORIZED: (UnauthorizedError, "The credential is missing, wrong or expired."),
    Code.FORBIDDEN: (
        UnauthorizedError,
        "The credential is good, and its subject cannot be an account, or it lacks the operator's scope.",
    ),
    Code.RATE_LIMITED: (
        LimitExceededError,
        "More orders, or requests of another kind, than its `…_PER_SECOND_MAX` allows.",
    ),
    Code.TOO_MANY_OPEN_ORDERS: (LimitExceededError, "The account has `OPEN_ORDERS_MAX` orders under way."),
    Code.TOO_MANY_RESTING_ORDERS: (
        LimitExceededError,
        "The account has `RESTING_ORDERS_MAX` orders that rest.",
    ),
    Code.TOO_MANY_SUBSCRIPTIONS: (
        LimitExceededError,
        "The connection subscribes to `SUBSCRIPTIONS_MAX` unfinished orders.",
    ),
    Code.TOO_MANY_CONNECTIONS: (LimitExceededError, "The account has `CONNECTIONS_MAX` connections."),
    Code.SERVICE_UNAVAILABLE: (
        RetryableError,
        "A passing fault, and nothing was done: the same request may succeed in a moment.",
    ),
    Code.OUTCOME_UNKNOWN: (
        UnknownOutcomeError,
        "Perhaps done, perhaps not: ask for `orderId`, or send the same clientOrderId again; both are safe.",
    ),
    Code.INTERNAL_ERROR: (ExecutionError, "A defect of ours."),
    Code.NO_ROUTE: (
        RefusedError,
        "No venue trades the pair; or a trigger looks at the mark of a pair that no pool trades.",
    ),
    Code.INSUFFICIENT_LIQUIDITY: (RefusedError, "The pools cannot fill the amount."),
    Code.INSUFFICIENT_FUNDS: (
        None,
        (
            "The account does not hold enough of the input token; on Solana also: of SOL, for the network's "
            "fee and for the token accounts that the swap opens."
        ),
    ),
    Code.SLIPPAGE_EXCEEDED: (None, "The price moved by more than the order allows before it could land."),
    Code.TRANSACTION_FAILED: (
        None,
        "The chain refused the transaction for another reason, at each attempt; or a cap forbids it.",
    ),
    Code.DEADLINE_EXCEEDED: (None, "The order's time was up before it could be executed."),
    Code.RETRIES_EXHAUSTED: (
        None,
        (
            "Every attempt expired unseen, or came to nothing over one of its legs, or of a stop over its "
            "price; none can land any more."
        ),
    ),
    Code.LIMIT_NOT_MET: (
        None,
        "The order was to be filled at once, and the market does not offer its limit.",
    ),
    Code.TRIGGER_ALREADY_MET: (None, "The price was on the trigger's side already; see `ifAlreadyMet`."),
    Code.LAUNCH_FILTERED: (
        None,
        "The pool that opened does not pass a filter of the sniper order, or its mint has other decimals.",
    ),
}

_HEAD: Final = """\
# Error codes

Codes are stable; messages are for people and may change. Over REST a refusal is
`{"code","message","details"}` with the status below, over the WebSocket a frame of type `error` with the
same members. An order that was accepted ends as `failed` (or `expired`) with one of the codes marked so.

Generated by `./orderflow specs`.

| code | REST status | ends an order | meaning |
| --- | --- | --- | --- |
"""

# Besides those that no request is refused with.
_ENDS_AN_ORDER: Final = frozenset(
    {
        Code.CLIENT_ORDER_ID_CONFLICT,
        Code.INSUFFICIENT_LIQUIDITY,
        Code.INTERNAL_ERROR,
        Code.NO_ROUTE,
    }
)


def error_table() -> str:
    """Return the page, in the order in which the codes are defined."""
    return _HEAD + "".join(_row(code, *MEANINGS[code]) for code in Code)


def _row(code: Code, kind: type[ExecutionError] | None, meaning: str) -> str:
    status = status_of(kind, code) if kind else "–"
    ends = "yes" if kind is None or code in _ENDS_AN_ORDER else "–"
    return f"| `{code}` | {status} | {ends} | {meaning} |\n"
