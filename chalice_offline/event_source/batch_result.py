"""What a function's response says about the messages of its batch (ReportBatchItemFailures).

The rules are AWS's: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html,
"Success and failure conditions". Where they are silent, a response that is neither empty nor an
object counts as "invalid JSON response".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Message ids by fate, each in the order of the batch.

    Attributes:
        succeeded: To be deleted.
        failed: To come back after their visibility timeout.
        problem: Why the response was not understood, which fails the whole batch; None if it was.
    """

    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    problem: str | None = None


def interpret(response: Any, message_ids: Sequence[str]) -> BatchResult:
    """Return the fate of each message after the function returned ``response`` without an error."""
    try:
        reported = _reported_ids(response)
    except ValueError as error:
        return BatchResult((), tuple(message_ids), str(error))
    unknown = reported - set(message_ids)
    if unknown:
        return BatchResult((), tuple(message_ids), f"itemIdentifier {min(unknown)} is not in the batch")
    return BatchResult(
        tuple(message_id for message_id in message_ids if message_id not in reported),
        tuple(message_id for message_id in message_ids if message_id in reported),
    )


def _reported_ids(response: Any) -> set[str]:
    """Return the ids reported as failed.

    Raises:
        ValueError: The response breaks the format.
    """
    if response in (None, "", {}):
        return set()
    if not isinstance(response, dict):
        raise ValueError("the response is not an object")  # noqa: TRY004  # of the wire, not of our types
    failures = response.get("batchItemFailures")
    if failures is None:
        return set()
    if not isinstance(failures, list):
        raise ValueError("batchItemFailures is not a list")  # noqa: TRY004  # as above
    return {_identifier(failure) for failure in failures}


def _identifier(failure: Any) -> str:
    if not isinstance(failure, dict) or "itemIdentifier" not in failure:
        raise ValueError("an entry of batchItemFailures has no itemIdentifier")
    identifier = failure["itemIdentifier"]
    if not isinstance(identifier, str) or not identifier:
        raise ValueError("an itemIdentifier is empty or not a string")
    return identifier
