"""Several calls in one request, as JSON-RPC 2.0 allows and not every provider does.

A request is one round trip however many calls it carries; providers that count calls count each of them.
"""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

from chalicelib.adapters.solana.rpc_answers import RATE_LIMITED, result_in, result_of
from chalicelib.adapters.solana.rpc_calls import RpcCall
from chalicelib.adapters.solana.rpc_errors import (
    NodeError,
    RateLimitedError,
    RpcError,
    SilentNodeError,
    UnreadableAnswerError,
    id_in,
    json_in,
)

CALLS_MAX: Final = 25
"""In one request: providers that take batches at all take so many, and answers stay of a moderate size."""

_OK: Final = 200
_REFUSED: Final = frozenset({400, 403, 404, 405, 406, 413, 415, 422, 501})
_UNHEALTHY: Final = -32005


class BatchRefusedError(NodeError):
    """The address takes no batches, or none of this size: none of the calls was made."""


def body_of(calls: Sequence[RpcCall], first_id: int) -> bytes:
    """Return the body of a request; the calls' ids count on from the first one's."""
    return b"[" + b",".join(call.body(call_id) for call_id, call in enumerate(calls, first_id)) + b"]"


def results_of(status: int, body: bytes, retry_after: bytes | None, count: int, first_id: int) -> list[Any]:
    """Return each call's result, or its ``NodeError``, in the order of the calls.

    Raises:
        BatchRefusedError: The request as a whole was not understood.
        RateLimitedError: The node limits us.
        NodeError: Nothing is known of any of the calls.
    """
    answers = json_in(body)
    if status != RATE_LIMITED and not isinstance(answers, list):
        if status in _REFUSED:
            raise BatchRefusedError(f"HTTP {status} to several calls at once")
        try:
            result_of(status, body, retry_after)
        except RpcError as error:
            if error.code == _UNHEALTHY:
                raise
            raise BatchRefusedError(f"{error} to several calls at once") from error
        raise BatchRefusedError("one result to several calls")
    if status != _OK or not isinstance(answers, list):
        result_of(status, body, retry_after)
        raise UnreadableAnswerError(f"HTTP {status} to several calls")
    by_id = {id_in(answer): answer for answer in answers}
    return [_result(status, by_id.get(str(call_id))) for call_id in range(first_id, first_id + count)]


def one_by_one(call: Callable[..., Any], calls: Sequence[RpcCall], *, time_limit_s: float) -> list[Any]:
    """Make calls in their order; return results and errors as ``results_of``.

    A node that limits us, or is silent, is not asked the rest of them.
    """
    deadline_s = monotonic() + time_limit_s
    results: list[Any] = []
    for each in calls:
        try:
            results.append(call(each, time_limit_s=max(0.001, deadline_s - monotonic())))
        except (RateLimitedError, SilentNodeError) as error:
            results += [error] * (len(calls) - len(results))
            break
        except NodeError as error:
            results.append(error)
    return results


def _result(status: int, answer: Any) -> Any:
    try:
        return result_in(status, answer)
    except NodeError as error:
        return error
