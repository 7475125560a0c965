"""How deep queues are, as SQS answers."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from chalicelib.adapters.aws.endpoint import EndpointAnswer
from chalicelib.adapters.aws.queue_depths import SqsQueueDepths
from chalicelib.domain.errors import RetryableError
from chalicelib.services.queries.operations import QueueDepth
from tests.fakes.moto_sqs import Moto
from tests.unit.adapters.aws.test_sqs import Saying


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def test_queue_and_the_one_beside_it_are_counted_by_what_their_messages_do() -> None:
    sqs = boto3.Session(region_name="us-east-1").client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.create_queue(QueueName="orders-dlq")
    for delay_s in (0, 0, 0, 60):
        sqs.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=delay_s)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)
    assert SqsQueueDepths(Moto(), url, beside=["orders-dlq"]).depths() == [
        QueueDepth("orders", 2, 1, 1),
        QueueDepth("orders-dlq", 0, 0, 0),
    ]


@pytest.mark.parametrize(
    "body", [b"no JSON", b'{"Attributes": {"ApproximateNumberOfMessages": "many"}}', b'{"Attributes": []}']
)
def test_answer_that_is_none_is_a_passing_fault(body: bytes) -> None:
    with pytest.raises(RetryableError):
        SqsQueueDepths(Saying(EndpointAnswer(200, body)), "https://sqs/1/orders", beside=[]).depths()
