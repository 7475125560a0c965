"""What a node answers instead of a result, and what follows from it.

Codes are those of anza-xyz/agave ``rpc-client-api/src/custom_error.rs``. A provider's address is a fleet of
nodes, and none of them owes us the truth: nothing but a proof from the chain ends an attempt.
"""

import json
from enum import StrEnum
from typing import Any, Final, TypeVar

from chalicelib.domain.errors import RetryableError
from chalicelib.logs import logger

Fault = TypeVar("Fault", bound=RetryableError)


class Remedy(StrEnum):
    """What to do about an error."""

    OTHER_NODE = (
        "other_node"  # this one is behind, unwell, or has pruned what we ask for: ask another, or later
    )
    WAIT = "wait"  # it limits our rate
    POLL = "poll"  # the transaction landed: ask for its status
    REFUSAL = "refusal"  # the simulation failed: final only if no node was ever handed these bytes
    DEFECT = "defect"  # we asked for what no node does: asking again changes nothing


class NodeError(Exception):
    """No result. Whether the request was carried out is not known, unless ``remedy`` says so."""

    def __init__(self, message: str, remedy: Remedy = Remedy.OTHER_NODE) -> None:
        super().__init__(message)
        self.remedy = remedy


class SilentNodeError(NodeError):
    """Nothing was answered in time: whether the request was carried out is not known."""


class UnreadableAnswerError(NodeError):
    """No JSON-RPC: a proxy's page, the rest of a broken connection, a status without a body."""


class MalformedResultError(NodeError):
    """A result that does not have the shape of its method."""


class RateLimitedError(NodeError):
    """The node limits us; what it did with earlier requests is another matter.

    Attributes:
        retry_after_s: As the node asks, None if it does not say.
    """

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__(f"rate limited, retry after {retry_after_s} s", Remedy.WAIT)
        self.retry_after_s = retry_after_s


class RpcError(NodeError):
    """An error that a node answered.

    Attributes:
        data: What it adds, as JSON; of a failed simulation its result.
        fault: The transaction's error in a failed simulation, as JSON; else None.
    """

    def __init__(self, code: int, message: str, data: Any) -> None:
        fault = data.get("err") if isinstance(data, dict) else None
        super().__init__(f"{code}: {message[:_MESSAGE_MAX]}", _remedy(code, fault))
        self.code = code
        self.data = data
        self.fault = fault


PREFLIGHT_FAILURE: Final = -32002
NO_BLOCK: Final = frozenset({-32001, -32004, -32007, -32009})
"""Skipped, cleaned up in the meantime, or not there: the next slot may have one."""

VALUES_MAX: Final = 1_000_000
"""Of one answer, which has at most half as many: by the ten million they fill a function's memory, and take
twenty seconds to be read."""

RETRY_AFTER_MAX_S: Final = 60.0
"""A node is asked again then, whatever it said: one answer of a broken proxy is not to take the only node for
hours."""

_LEAST_BYTES_OF_A_VALUE: Final = 2
_MESSAGE_MAX: Final = 300
_DEFECTS: Final = frozenset({-32003, -32015, -32600, -32601, -32602, -32700})
_STALE: Final = frozenset(
    {"BlockhashNotFound", "AccountInUse", "WouldExceedMaxBlockCostLimit", "ClusterMaintenance"}
)


def _remedy(code: int, fault: Any) -> Remedy:
    if code in _DEFECTS:
        return Remedy.DEFECT
    if code != PREFLIGHT_FAILURE:
        return Remedy.OTHER_NODE
    if fault == "AlreadyProcessed":
        return Remedy.POLL
    # A hash that a node does not know may be too new for it as well as too old.
    return (
        Remedy.OTHER_NODE if fault is None or (isinstance(fault, str) and fault in _STALE) else Remedy.REFUSAL
    )


def seconds_asked(retry_after: bytes | None) -> float | None:
    """Return ``Retry-After`` as seconds, within reason; nodes send no dates."""
    try:
        asked = float(retry_after or b"")
    except ValueError:
        return None
    return min(asked, RETRY_AFTER_MAX_S) if asked >= 0 else None


def json_in(body: bytes) -> Any:
    """Return what a node's answer says; None if it is no JSON, or deeper or of more values than any is."""
    if len(body) > VALUES_MAX * _LEAST_BYTES_OF_A_VALUE and body.count(b",") > VALUES_MAX:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def id_in(answer: Any) -> str | None:
    """Return the id of an answer, as a text, which some nodes make of it; None if it names no call."""
    said = answer.get("id") if isinstance(answer, dict) else None
    if said is None:
        return None
    return str(said) if isinstance(said, int | str) else "another"


def not_answered(error: NodeError, kind: type[Fault] = RetryableError) -> Fault:  # type: ignore[assignment]  # it is a Fault
    """Return the passing fault that an error of the nodes is.

    Faults reach clients, in answers and in events that stay. Which nodes we ask, and in what words a provider
    refuses us, is in the log alone.
    """
    logger.warning("no node answered", reason=str(error))
    return kind("no node answered in time")


def instruction_fault(fault: Any) -> tuple[int, int | str] | None:
    """Return which instruction failed, and the program's own number or the runtime's name;
    None for other errors.
    """
    if not isinstance(fault, dict):
        return None
    found = fault.get("InstructionError")
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[0], int)):
        return None
    index, kind = found
    if isinstance(kind, dict):
        custom = kind.get("Custom")
        return (index, custom) if isinstance(custom, int) else (index, next(iter(kind), ""))
    return (index, kind) if isinstance(kind, str) else None
