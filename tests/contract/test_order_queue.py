"""What every ``OrderQueue`` promises."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import botocore.session
import pytest
from moto import mock_aws

from chalicelib.adapters.aws.sqs import SqsOrderQueue, SqsReceivedMessages, find_queue_url
from chalicelib.domain.errors import RetryableError
from chalicelib.services.ports import OrderQueue, QueueMessage, Sent
from tests.fakes.moto_sqs import Moto
from tests.fakes.ports import FakeQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass
class Sqs:
    """A queue in moto, and a look at what is in it."""

    client: "SQSClient"
    url: str
    endpoint: Moto = field(default_factory=Moto)

    def port(self, url: str | None = None) -> SqsOrderQueue:
        return SqsOrderQueue(self.endpoint, url or self.url, sleep=lambda _seconds: None)

    def bodies(self) -> set[str]:
        found: set[str] = set()
        while received := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found |= {message["Body"] for message in received}
        return found


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sqs]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        session = botocore.session.get_session()
        client = cast("SQSClient", session.create_client("sqs", region_name="us-east-1"))
        yield Sqs(client, client.create_queue(QueueName="orders")["QueueUrl"])


@pytest.fixture(params=["fake", "sqs"])
def queue(request: pytest.FixtureRequest) -> tuple[OrderQueue, Any]:
    if request.param == "fake":
        fake = FakeQueue()
        return fake, lambda: {message.body for message in fake.sent}
    sqs: Sqs = request.getfixturevalue("sqs")
    return sqs.port(), sqs.bodies


@pytest.mark.parametrize("count", [1, 2, 10, 11, 25])
def test_every_message_sent_is_on_the_queue(queue: tuple[OrderQueue, Any], count: int) -> None:
    port, bodies = queue
    port.send([QueueMessage(f"body {n}", "alice") for n in range(count)])
    assert bodies() == {f"body {n}" for n in range(count)}


@pytest.mark.parametrize("count", [1, 10, 20])
def test_every_message_sent_by_itself_is_told_as_taken(queue: tuple[Any, Any], count: int) -> None:
    port, bodies = queue
    outcomes = port.send_each([QueueMessage(f"body {n}", "alice") for n in range(count)])
    assert outcomes == [Sent.TAKEN] * count
    assert bodies() == {f"body {n}" for n in range(count)}


def test_queue_that_answers_passes_its_check(queue: tuple[OrderQueue, Any]) -> None:
    port, _ = queue
    port.check()


def test_accounts_in_any_alphabet_can_send(queue: tuple[OrderQueue, Any]) -> None:
    port, bodies = queue
    port.send([QueueMessage("one", "Зоя"), QueueMessage("two", "a b"), QueueMessage("three", "a|b@c")])
    assert bodies() == {"one", "two", "three"}


def test_message_asked_to_wait_is_not_visible_yet(sqs: Sqs) -> None:
    sqs.port().send([QueueMessage("later", "alice", delay_s=60), QueueMessage("now", "alice")])
    assert sqs.bodies() == {"now"}


def test_message_to_be_retried_comes_back_after_so_long(sqs: Sqs) -> None:
    port = sqs.port()
    port.send([QueueMessage("again", "alice")])
    (received,) = sqs.client.receive_message(QueueUrl=sqs.url)["Messages"]
    assert sqs.bodies() == set()
    port.retry_in({received["ReceiptHandle"]: 0})
    assert sqs.bodies() == {"again"}


def test_retry_of_a_message_that_is_gone_is_fine(sqs: Sqs) -> None:
    sqs.port().retry_in({"no such handle": 0})


def test_messages_of_a_batch_come_back_each_at_its_time(sqs: Sqs) -> None:
    port = sqs.port()
    port.send([QueueMessage(str(number), "alice") for number in range(12)])
    received: dict[str, str] = {}
    while len(received) < 12:
        messages = sqs.client.receive_message(QueueUrl=sqs.url, MaxNumberOfMessages=10)["Messages"]
        received |= {message["Body"]: message["ReceiptHandle"] for message in messages}
    port.retry_in({handle: 0 if int(body) % 2 else 60 for body, handle in received.items()} | {"gone": 0})
    assert sqs.bodies() == {"1", "3", "5", "7", "9", "11"}


def test_finished_messages_are_deleted_and_one_that_cannot_be_keeps_no_other(sqs: Sqs) -> None:
    sqs.port().send([QueueMessage(str(number), "alice") for number in range(12)])
    received: dict[str, str] = {}
    while len(received) < 12:
        messages = sqs.client.receive_message(QueueUrl=sqs.url, MaxNumberOfMessages=10)["Messages"]
        received |= {message["Body"]: message["ReceiptHandle"] for message in messages}
    messages_of = SqsReceivedMessages(sqs.endpoint, sqs.url, sleep=lambda _seconds: None)
    messages_of.delete(["no such handle", *(handle for body, handle in received.items() if body != "7")])
    sqs.port().retry_in(dict.fromkeys(received.values(), 0))
    assert sqs.bodies() == {"7"}


def test_messages_that_cannot_be_deleted_now_are_no_error(sqs: Sqs) -> None:
    sqs.endpoint.faults = 100
    SqsReceivedMessages(sqs.endpoint, sqs.url, sleep=lambda _seconds: None).delete(["any"])
    assert sqs.endpoint.faults < 100


def test_queue_that_is_not_there_is_a_passing_fault(sqs: Sqs) -> None:
    port = sqs.port(sqs.url + "-missing")
    with pytest.raises(RetryableError):
        port.check()
    with pytest.raises(RetryableError):
        port.send([QueueMessage("lost", "a")])
    with pytest.raises(RetryableError):
        port.send([QueueMessage("lost", "a")] * 2)


def test_call_that_fails_in_passing_is_made_again(sqs: Sqs) -> None:
    sqs.endpoint.faults = 2
    sqs.port().send([QueueMessage("in the end", "alice")])
    assert sqs.bodies() == {"in the end"}


def test_queue_that_never_answers_is_a_passing_fault(sqs: Sqs) -> None:
    sqs.endpoint.faults = 100
    with pytest.raises(RetryableError):
        sqs.port().send([QueueMessage("lost", "alice")])
    assert sqs.endpoint.faults > 90


def test_queue_is_found_by_its_name(sqs: Sqs) -> None:
    assert find_queue_url(sqs.endpoint, "orders") == sqs.url
    with pytest.raises(RetryableError):
        find_queue_url(sqs.endpoint, "missing")


def test_fake_queue_that_is_down_is_a_passing_fault() -> None:
    fake = FakeQueue()
    fake.is_down = True
    with pytest.raises(RetryableError):
        fake.send([QueueMessage("lost", "a")])
    assert fake.sent == []
