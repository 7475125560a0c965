"""MiniStack's standard queues with our functions in them: fair, and otherwise as they were."""

import asyncio
import json
import time
from typing import Any

import pytest
from ministack.services import sqs

from chalice_offline.services import fair_sqs
from chalice_offline.services.fair_messages import FairMessages

fair_sqs.install()


class Queue:
    """One queue of MiniStack's, by what SQS's actions do to it."""

    def __init__(self, name: str, **attributes: str) -> None:
        fair_sqs.install()  # once is enough
        self.url: str = call("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self.attribute("QueueArn")

    def attribute(self, name: str) -> str:
        found = call("GetQueueAttributes", QueueUrl=self.url, AttributeNames=["All"])
        return str(found["Attributes"][name])

    def send(self, *bodies: str, **more: Any) -> None:
        for body in bodies:
            call("SendMessage", QueueUrl=self.url, MessageBody=body, **more)

    def receive(self, most: int = 10, *, hidden_s: int = 30) -> list[dict[str, Any]]:
        answer = call(
            "ReceiveMessage",
            QueueUrl=self.url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=hidden_s,
            AttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def bodies(self, most: int = 10, *, hidden_s: int = 30) -> list[str]:
        return [message["Body"] for message in self.receive(most, hidden_s=hidden_s)]

    @property
    def state(self) -> Any:
        return sqs._get_q(self.url)


def call(action: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = asyncio.run(sqs._dispatch(action, request, ""))
    return answer


@pytest.fixture(autouse=True)
def no_queues() -> None:
    sqs.reset()


@pytest.fixture
def queue() -> Queue:
    return Queue("orders")


def test_quiet_account_is_in_the_next_receive_though_a_noisy_one_has_thousands_waiting(queue: Queue) -> None:
    queue.send(*["noisy"] * 3_000, MessageGroupId="noisy")
    for _ in range(5):
        queue.receive()
    queue.send("quiet", MessageGroupId="quiet")
    assert queue.bodies() == ["quiet"] + ["noisy"] * 9


def test_mapping_of_the_emulators_own_is_served_as_fairly(queue: Queue) -> None:
    queue.send(*["noisy"] * 30, MessageGroupId="noisy")
    sqs._receive_messages_for_esm(queue.url, 10)
    queue.send("quiet", MessageGroupId="quiet")
    (received,) = sqs._receive_messages_for_esm(queue.url, 1)
    assert received["body"] == "quiet"
    sqs._delete_messages_for_esm(queue.url, {received["receipt_handle"]})
    assert len(queue.state["messages"]) == 30


def test_message_is_hidden_while_in_flight_visible_when_shown_and_gone_when_deleted(queue: Queue) -> None:
    queue.send("x")
    (message,) = queue.receive()
    handle = {"QueueUrl": queue.url, "ReceiptHandle": message["ReceiptHandle"]}
    assert queue.bodies() == []
    call("ChangeMessageVisibility", VisibilityTimeout=0, **handle)
    (again,) = queue.receive()
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    call("DeleteMessage", **handle)
    assert len(queue.state["messages"]) == 1
    call("DeleteMessage", QueueUrl=queue.url, ReceiptHandle=again["ReceiptHandle"])
    assert len(queue.state["messages"]) == 0


def test_message_that_its_consumer_deleted_is_deleted_once_more_without_an_error(queue: Queue) -> None:
    queue.send("x")
    (message,) = queue.receive()
    handle = message["ReceiptHandle"]
    for _ in range(2):
        call("DeleteMessage", QueueUrl=queue.url, ReceiptHandle=handle)
    entries = [{"Id": "0", "ReceiptHandle": handle}]
    answer = call("DeleteMessageBatch", QueueUrl=queue.url, Entries=entries)
    assert (answer["Successful"], answer["Failed"]) == ([{"Id": "0"}], [])
    with pytest.raises(sqs._Err):
        call("DeleteMessage", QueueUrl=queue.url, ReceiptHandle="nobody's")


def test_queue_by_its_url_of_a_real_account_is_the_one_of_this_name_here(queue: Queue) -> None:
    call("SendMessage", QueueUrl="https://sqs.eu-west-1.amazonaws.com/499223386158/orders", MessageBody="x")
    assert queue.bodies() == ["x"]
    with pytest.raises(sqs._Err, match="does not exist"):
        call("SendMessage", QueueUrl="https://sqs.eu-west-1.amazonaws.com/499223386158/none", MessageBody="x")


@pytest.mark.parametrize("action", ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
def test_batch_call_answers_for_each_of_its_entries(queue: Queue, action: str) -> None:
    queue.send("x", "y")
    handles = [message["ReceiptHandle"] for message in queue.receive()]
    entries = [
        {"Id": f"{number}", "ReceiptHandle": handle, "VisibilityTimeout": 0}
        for number, handle in enumerate([*handles, "nobody's"])
    ]
    answer = call(action, QueueUrl=queue.url, Entries=entries)
    assert [each["Id"] for each in answer["Successful"]] == ["0", "1"]
    assert [(each["Id"], each["Code"]) for each in answer["Failed"]] == [("2", "ReceiptHandleIsInvalid")]
    assert len(queue.bodies()) == (0 if action.startswith("Delete") else 2)


def test_message_received_too_often_is_a_dead_letter_and_the_others_stay() -> None:
    dead = Queue("dead")
    policy = {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2}
    queue = Queue("orders", RedrivePolicy=json.dumps(policy))
    queue.send("bad")
    assert queue.bodies(hidden_s=0) == queue.bodies(hidden_s=0) == ["bad"]
    queue.send("good")
    assert queue.bodies() == ["good"]
    (letter,) = dead.receive()
    assert letter["Body"] == "bad"
    assert letter["Attributes"]["DeadLetterQueueSourceArn"] == queue.arn
    assert letter["Attributes"]["ApproximateReceiveCount"] == "3"


def test_delayed_message_is_not_in_flight_and_counts_as_delayed(queue: Queue) -> None:
    queue.send("later", DelaySeconds=60)
    queue.send("now")
    assert queue.bodies() == ["now"]
    counts = [queue.attribute(f"ApproximateNumberOfMessages{kind}") for kind in ("", "NotVisible", "Delayed")]
    assert counts == ["0", "1", "1"]


def test_message_older_than_the_queue_keeps_them_is_dropped(queue: Queue) -> None:
    queue.send("old", "new")
    queue.receive(1, hidden_s=0)
    queue.state["messages"][0]["sent_at"] = time.time() - 345_601
    assert queue.bodies() == ["new"]
    assert len(queue.state["messages"]) == 1


def test_purged_queue_is_empty_and_goes_on(queue: Queue) -> None:
    queue.send("x", "y")
    queue.receive(1)
    call("PurgeQueue", QueueUrl=queue.url)
    assert queue.bodies() == []
    queue.send("z")
    assert queue.bodies() == ["z"]


def test_saved_queues_come_back_with_their_messages(queue: Queue) -> None:
    queue.send("a", "b", MessageGroupId="g")
    queue.receive(1, hidden_s=0)
    assert isinstance(queue.state["messages"], FairMessages)
    saved = sqs.get_state()
    (kept,) = [each["messages"] for each in saved["queues"].values()]
    json.dumps(kept)
    sqs.reset()
    sqs.load_persisted_state(saved)
    assert queue.bodies() == ["a", "b"]


def test_fifo_queue_is_the_emulators_own() -> None:
    queue = Queue("orders.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    queue.send("1", "2", MessageGroupId="g")
    first, *_ = queue.receive()
    assert (first["Body"], queue.receive()) == ("1", [])
    call("DeleteMessage", QueueUrl=queue.url, ReceiptHandle=first["ReceiptHandle"])
    assert isinstance(queue.state["messages"], list)
