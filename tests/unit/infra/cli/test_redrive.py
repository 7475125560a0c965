"""Dead letters that are sent back by SQS's own task, or one by one."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.cli import redrive
from infra.cli.aws_client import TIME_LIMIT_S
from infra.cli.redrive import Redriven, send_back

Message = dict[str, Any]


class Sqs:
    """Two queues; ``tasks`` are what is said of a move task, or None where there is no such action.

    Attributes:
        falls_back: How many come to the dead-letter queue after each receive, as from a consumer that fails.
        waited_s: How long the last receive waits for a message, as it says or as the queue does.
    """

    def __init__(
        self, waiting: int, tasks: list[Message] | None = None, *, fault: str = "InvalidAction"
    ) -> None:
        self.dead = [{"Body": str(each), "ReceiptHandle": f"r{each}"} for each in range(waiting)]
        self.sent: list[Message] = []
        self.tasks = tasks
        self.fault = fault
        self.falls_back = 0
        self.waited_s = 20

    def get_queue_url(self, *, QueueName: str) -> Message:  # noqa: N803  # botocore's names
        return {"QueueUrl": f"http://{QueueName}"}

    def get_queue_attributes(self, **_asked: object) -> Message:
        return {"Attributes": {"QueueArn": "arn", "ApproximateNumberOfMessages": str(len(self.dead))}}

    def start_message_move_task(self, *, SourceArn: str) -> None:  # noqa: N803
        if self.tasks is None:
            raise ClientError({"Error": {"Code": self.fault, "Message": SourceArn}}, "StartMessageMoveTask")

    def list_message_move_tasks(self, **_asked: object) -> Message:
        assert self.tasks
        return {"Results": [self.tasks.pop(0)]}

    def receive_message(self, *, MaxNumberOfMessages: int, **asked: Any) -> Message:  # noqa: N803
        self.waited_s = asked.get("WaitTimeSeconds", self.waited_s)
        taken, self.dead = self.dead[:MaxNumberOfMessages], self.dead[MaxNumberOfMessages:]
        self.dead += [{"Body": "again", "ReceiptHandle": "again"}] * self.falls_back
        grouped = [{**each, "Attributes": {"MessageGroupId": f"g{each['Body']}"}} for each in taken]
        return {"Messages": grouped} if taken else {}

    def send_message(self, **message: str) -> None:
        self.sent.append(message)

    def delete_message(self, *, ReceiptHandle: str, **_asked: object) -> None:  # noqa: N803
        assert self.sent[-1]["MessageBody"] == ReceiptHandle.removeprefix("r")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "_POLL_S", 0)


def sent_back(sqs: Sqs) -> tuple[Redriven, list[int]]:
    told: list[int] = []
    return send_back(sqs, "dead", "orders", told.append), told


def test_messages_are_moved_by_sqs_where_it_can() -> None:
    running = {"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 3}
    done, told = sent_back(Sqs(9, [running, {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 9}]))
    assert (done, told) == (Redriven("COMPLETED", 9), [3, 9])


def test_task_that_fails_is_told_with_its_reason() -> None:
    failed = {"Status": "FAILED", "FailureReason": "AccessDenied"}
    assert sent_back(Sqs(9, [failed]))[0] == Redriven("FAILED", 0, "AccessDenied")


def test_messages_are_sent_one_by_one_in_their_groups_where_there_is_no_such_task() -> None:
    sqs = Sqs(12)
    done, told = sent_back(sqs)
    assert (done, told) == (Redriven("COMPLETED", 12), list(range(1, 13)))
    assert sqs.sent == [
        {"QueueUrl": "http://orders", "MessageBody": str(each), "MessageGroupId": f"g{each}"}
        for each in range(12)
    ]


def test_message_that_comes_back_as_dead_meanwhile_is_not_sent_round_and_round() -> None:
    sqs = Sqs(3)
    sqs.falls_back = 1
    assert sent_back(sqs)[0].moved == 3
    assert [each["Body"] for each in sqs.dead] == ["again"]


def test_messages_that_others_took_meanwhile_are_not_waited_for() -> None:
    sqs = Sqs(3)
    sqs.get_queue_attributes = lambda **_asked: {  # type: ignore[method-assign]
        "Attributes": {"QueueArn": "arn", "ApproximateNumberOfMessages": "9"}
    }
    assert sent_back(sqs)[0].moved == 3


def test_queue_whose_messages_others_took_is_not_waited_for_longer_than_a_command_waits_for_an_answer() -> (
    None
):
    sqs = Sqs(3)
    sent_back(sqs)
    # Of the queue itself it is twenty seconds.
    assert sqs.waited_s < TIME_LIMIT_S


def test_refusal_of_another_kind_moves_nothing() -> None:
    sqs = Sqs(3, fault="AccessDenied")
    with pytest.raises(ClientError):
        sent_back(sqs)
    assert sqs.sent == []
