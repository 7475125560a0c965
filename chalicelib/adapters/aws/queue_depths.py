"""How many messages wait in queues, as SQS counts them: approximately."""

from collections.abc import Sequence
from typing import Final

from chalicelib.adapters.aws.endpoint import Endpoint
from chalicelib.adapters.aws.sqs import SqsError, call_sqs, members_of
from chalicelib.domain.errors import RetryableError
from chalicelib.services.queries.operations import QueueDepth

_NUMBERS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class SqsQueueDepths:
    """The depths of queues beside each other: of one account and region, as a URL of one of them has it.

    SQS tells the age of the oldest message to CloudWatch alone; how long messages wait, the record knows.
    """

    def __init__(self, endpoint: Endpoint, url: str, *, beside: Sequence[str]) -> None:
        place, _, own = url.rpartition("/")
        self._endpoint = endpoint
        self._urls = {name: f"{place}/{name}" for name in (own, *beside)}

    def depths(self) -> Sequence[QueueDepth]:
        """Return one depth for each queue. Raises ``RetryableError``."""
        return [self._depth(name, url) for name, url in self._urls.items()]

    def _depth(self, name: str, url: str) -> QueueDepth:
        asked = {"QueueUrl": url, "AttributeNames": list(_NUMBERS)}
        try:
            found = members_of(call_sqs(self._endpoint, "GetQueueAttributes", asked))["Attributes"]
            waiting, in_flight, delayed = (int(found[each]) for each in _NUMBERS)
        except (SqsError, ValueError, LookupError, TypeError) as error:
            raise RetryableError(f"the queue {name} does not say how deep it is") from error
        return QueueDepth(name, waiting, in_flight, delayed)
