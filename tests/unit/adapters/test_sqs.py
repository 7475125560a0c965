"""What counts as a message that the queue has."""

from collections.abc import Mapping

import pytest

from chalicelib.adapters.aws_endpoint import Answer
from chalicelib.adapters.sqs import SqsOrderQueue
from chalicelib.domain.errors import RetryableError
from chalicelib.services.ports import QueueMessage


class Saying:
    """An endpoint that answers everything alike."""

    def __init__(self, body: bytes) -> None:
        self._answer = Answer(200, body)

    def request(
        self, method: str, path: str, body: bytes, *, headers: Mapping[str, str], time_limit_s: float
    ) -> Answer:
        del method, path, body, headers, time_limit_s
        return self._answer


def send(answer: bytes) -> None:
    SqsOrderQueue(Saying(answer), "https://sqs/queue").send([QueueMessage("{}", "alice")])


def test_message_with_an_id_is_sent() -> None:
    send(b'{"MD5OfMessageBody":"99914b932bd37a50b983c5e7c90ae93b","MessageId":"1"}')


@pytest.mark.parametrize("answer", [b"", b"{}", b"<html>Welcome</html>"])
def test_success_without_a_message_id_is_no_success(answer: bytes) -> None:
    with pytest.raises(RetryableError):
        send(answer)
