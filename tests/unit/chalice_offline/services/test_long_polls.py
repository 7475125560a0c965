"""Receives that wait: what they say of how long, and what ends their waiting."""

import asyncio
from typing import Any

import ministack.app as ministack
import pytest

from chalice_offline.services import fair_sqs
from chalice_offline.services.long_polls import GATHER, Gather
from tests.unit.chalice_offline.services.queue_calls import QUEUE, Client


def test_request_says_for_how_many_messages_it_waits_how_long() -> None:
    assert Gather.of({GATHER: {"Count": 10, "Seconds": 0.008}}) == Gather(10, 0.008)


@pytest.mark.parametrize("said", [{}, {"Count": "many", "Seconds": 1}, None, [], {"Count": 1}])
def test_request_that_says_nothing_of_sense_does_not_wait(said: Any) -> None:
    assert Gather.of({GATHER: said}).seconds == 0
    assert Gather.of({}).seconds == 0


def test_no_request_waits_longer_than_a_second() -> None:
    assert Gather.of({GATHER: {"Count": 10, "Seconds": 1e9}}).seconds == 1


@pytest.fixture
def queue() -> None:
    """Make the queue, without a message."""

    async def made() -> None:
        client = Client(ministack.app)
        for call, request in (("CreateQueue", {"QueueName": "prompt"}), ("PurgeQueue", {"QueueUrl": QUEUE})):
            client.ask(call, **request)
        await client.answered(2)

    asyncio.run(made())


def bodies(answer: Any) -> list[str]:
    return [message["Body"] for message in answer.get("Messages", ())]


async def a_turn() -> None:
    for _ in range(20):  # rounds of the event loop, more than any of these answers takes
        await asyncio.sleep(0)


@pytest.mark.usefixtures("queue")
def test_long_poll_is_answered_as_soon_as_a_message_comes() -> None:
    async def scenario() -> None:
        waiting, sender = Client(), Client()
        waiting.ask("ReceiveMessage", WaitTimeSeconds=20)
        waiting.ask("DeleteMessage", ReceiptHandle="nobody's")  # behind it on the connection
        await a_turn()
        assert waiting.answers == []
        sender.ask("SendMessage", MessageBody="x")
        await a_turn()
        received, deleted = waiting.answers
        assert bodies(received) == ["x"]
        assert deleted["__type"].endswith("ReceiptHandleIsInvalid")

    asyncio.run(scenario())


@pytest.mark.usefixtures("queue")
def test_long_poll_of_a_client_that_left_takes_no_message() -> None:
    async def scenario() -> None:
        waiting, other = Client(), Client()
        waiting.ask("ReceiveMessage", WaitTimeSeconds=20)
        await a_turn()
        waiting.protocol.connection_lost(None)
        await a_turn()
        other.ask("SendMessage", MessageBody="x")
        other.ask("ReceiveMessage", WaitTimeSeconds=0)
        assert bodies(other.answers[1]) == ["x"]

    asyncio.run(scenario())


@pytest.mark.usefixtures("queue")
def test_receive_that_gathers_is_answered_when_all_that_it_waits_for_are_there() -> None:
    async def scenario() -> None:
        waiting, sender = Client(), Client()
        gather = {"Count": 2, "Seconds": 1}
        waiting.ask("ReceiveMessage", WaitTimeSeconds=0, MaxNumberOfMessages=10, ChaliceOfflineGather=gather)
        sender.ask("SendMessage", MessageBody="x")
        await a_turn()
        assert waiting.answers == []
        sender.ask("SendMessage", MessageBody="y")
        await a_turn()
        assert [bodies(each) for each in waiting.answers] == [["x", "y"]]

    asyncio.run(scenario())


@pytest.mark.usefixtures("queue")
def test_receive_that_gathers_is_answered_with_what_there_is_when_its_time_is_over() -> None:
    async def scenario() -> None:
        client = Client()
        gather = {"Count": 2, "Seconds": 0.001}
        client.ask("SendMessage", MessageBody="x")
        client.ask("ReceiveMessage", WaitTimeSeconds=0, ChaliceOfflineGather=gather)
        assert bodies((await client.answered(2))[1]) == ["x"]
        client.ask("ReceiveMessage", WaitTimeSeconds=0, ChaliceOfflineGather=gather)
        assert bodies((await client.answered(3))[2]) == []

    asyncio.run(scenario())


@pytest.mark.usefixtures("queue")
def test_long_poll_finds_a_message_that_is_to_be_seen_later() -> None:
    async def scenario() -> None:
        client = Client()
        client.ask("SendMessage", MessageBody="x")
        client.ask("ReceiveMessage", WaitTimeSeconds=0, VisibilityTimeout=1)
        client.ask("ReceiveMessage", WaitTimeSeconds=5)
        assert [bodies(each) for each in (await client.answered(3))[1:]] == [["x"], ["x"]]

    asyncio.run(scenario())


@pytest.mark.usefixtures("queue")
def test_long_poll_notices_that_its_queue_is_another_one_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_sqs, "LOOK_S", 0.01)

    async def scenario() -> None:
        waiting, owner = Client(), Client(ministack.app)
        waiting.ask("ReceiveMessage", WaitTimeSeconds=20)
        await a_turn()
        owner.ask("DeleteQueue")
        owner.ask("CreateQueue", QueueName="prompt")
        await owner.answered(2)
        owner.ask("SendMessage", MessageBody="x")
        assert bodies((await waiting.answered(1))[0]) == ["x"]
        waiting.ask("ReceiveMessage", WaitTimeSeconds=20)
        await a_turn()
        owner.ask("DeleteQueue")
        assert (await waiting.answered(2))[1]["__type"].endswith("QueueDoesNotExist")

    asyncio.run(scenario())


@pytest.mark.usefixtures("queue")
def test_of_many_that_wait_each_message_finds_one() -> None:
    async def scenario() -> None:
        waiting, sender = [Client() for _ in range(20)], Client()
        for each in waiting:
            each.ask("ReceiveMessage", WaitTimeSeconds=20, MaxNumberOfMessages=1)
        await a_turn()
        for number in range(20):
            sender.ask("SendMessage", MessageBody=str(number))
            await a_turn()
            assert sum(len(each.answers) for each in waiting) == number + 1
        assert {body for each in waiting for body in bodies(each.answers[0])} == set(map(str, range(20)))

    asyncio.run(scenario())
