"""Queue calls are answered as MiniStack answers them, only sooner; other answers arrive as they were sent."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import ministack.app as ministack
import pytest
import uvicorn
from uvicorn.server import ServerState

from chalice_offline.services.emulator_http import EmulatorHttp
from tests.unit.chalice_offline.services.queue_calls import (
    QUEUE,
    Answer,
    GuardedHttp,
    Send,
    Wire,
    a_call,
    complete_answers,
)

HEAD = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]}


def written(messages: Sequence[Mapping[str, Any] | None], *requests: bytes) -> list[bytes]:
    """Return what goes over the wire, write by write, for an application that answers with these messages."""

    async def application(_scope: Any, receive: Any, send: Send) -> None:
        await receive()
        await asyncio.sleep(0)
        for message in messages:
            # None stands for something that the answer has to wait for.
            await (asyncio.sleep(0) if message is None else send(message))

    async def serve() -> list[bytes]:
        config = uvicorn.Config(application, lifespan="off", log_config=None, server_header=False)
        state, wire = ServerState(), Wire()
        protocol = EmulatorHttp(config=config, server_state=state, app_state={})
        protocol.connection_made(wire)
        for request in requests:
            protocol.data_received(request)
            for _ in range(50):  # rounds of the event loop, more than any of these answers takes
                await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    return asyncio.run(serve())


def body(text: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": more}


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
START = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"


def test_answer_is_one_write_each_time() -> None:
    assert written([HEAD, body(b"abcdef")], GET, GET) == [START + b"abcdef"] * 2


def test_requests_behind_one_another_are_answered_in_full() -> None:
    assert b"".join(written([HEAD, body(b"abcdef")], GET * 3)) == (START + b"abcdef") * 3


def test_later_parts_of_a_body_are_not_kept_back() -> None:
    parts = [HEAD, body(b"ab", more=True), body(b"cd", more=True), body(b"ef")]
    assert written(parts, GET) == [START + b"ab", b"cd", b"ef"]


def test_interim_response_is_not_kept_back() -> None:
    request = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    found = written([HEAD, body(b"abcdef")], request, b"a")
    assert found == [b"HTTP/1.1 100 Continue\r\n\r\n", START + b"abcdef"]


@pytest.mark.parametrize(
    ("request_line", "status", "headers"),
    [
        (b"HEAD", 200, [(b"content-length", b"6")]),
        (b"HEAD", 200, []),
        (b"HEAD", 404, [(b"content-length", b"21"), (b"content-type", b"text/plain")]),
        (b"GET", 204, []),
        (b"GET", 304, [(b"etag", b"x")]),
        (b"GET", 200, [(b"content-length", b"0")]),
    ],
)
def test_answer_without_a_body_is_not_kept_back(
    request_line: bytes, status: int, headers: list[tuple[bytes, bytes]]
) -> None:
    start = {"type": "http.response.start", "status": status, "headers": headers}
    request = GET.replace(b"GET", request_line)
    found = written([start, body(b"")], request, request)
    assert [line.split(b" ")[1] for line in found] == [b"%d" % status] * 2


def test_head_is_not_kept_back_while_the_body_is_made() -> None:
    assert written([HEAD, None, None, body(b"abcdef")], GET) == [START, b"abcdef"]
    assert written([HEAD], GET) == [START]


@pytest.mark.parametrize("before", [[], [GET]])
def test_refusal_of_a_broken_request_is_written_before_the_end(before: list[bytes]) -> None:
    assert written([HEAD, body(b"abcdef")], *before, b"what\r\n\r\n")[-1].startswith(b"HTTP/1.1 400 ")


def test_head_without_a_body_is_written_before_the_end() -> None:
    last = {"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]}
    assert written([last, body(b"")], GET)[0].startswith(b"HTTP/1.1 200 OK\r\n")


class Emulator:
    """MiniStack behind its protocol,
    or by itself where the calls ask for something unusual of the connection.
    """

    def __init__(self) -> None:
        self.asked_the_application = 0

    def answers(self, *calls: bytes) -> list[Answer]:
        return asyncio.run(self._answers(calls, each=1))

    def answers_to_one_packet(self, *calls: bytes) -> list[Answer]:
        return asyncio.run(self._answers([b"".join(calls)], each=len(calls)))

    def answer(self, call: bytes) -> Answer:
        (answer,) = self.answers(call)
        return answer

    async def _answers(self, packets: Sequence[bytes], *, each: int) -> list[Answer]:
        """Send packets, each when the answers to the one before have come; return all answers."""

        async def application(scope: Any, receive: Any, send: Send) -> None:
            self.asked_the_application += 1
            await ministack.app(scope, receive, send)

        config = uvicorn.Config(
            application, lifespan="off", log_config=None, date_header=False, server_header=False
        )
        state, wire = ServerState(), Wire()
        protocol = GuardedHttp(config=config, server_state=state, app_state={})
        protocol.connection_made(wire)
        for number, packet in enumerate(packets, start=1):
            protocol.data_received(packet)
            async with asyncio.timeout(10):
                while len(found := complete_answers(b"".join(wire.written))) < number * each:
                    wire.has_news.clear()
                    await wire.has_news.wait()
        protocol.connection_lost(None)
        return found


@pytest.fixture
def emulator() -> Emulator:
    made = Emulator()
    made.answers(a_call("CreateQueue", {"QueueName": "prompt"}), a_call("PurgeQueue", {"QueueUrl": QUEUE}))
    made.asked_the_application = 0
    return made


def masked(answer: Answer) -> str:
    return re.sub(r"[0-9a-f-]{36}", "<id>", json.dumps(answer))


ATTRIBUTE = {"colour": {"DataType": "String", "StringValue": "blue"}}
CALLS = {
    "send": ("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "schön", "MessageAttributes": ATTRIBUTE}),
    "send later": ("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x", "DelaySeconds": 5}),
    "send nothing": ("SendMessage", {"QueueUrl": QUEUE}),
    "send to a queue that is not there": ("SendMessage", {"QueueUrl": f"{QUEUE}-not", "MessageBody": "x"}),
    "send several, one wrong": (
        "SendMessageBatch",
        {"QueueUrl": QUEUE, "Entries": [{"Id": "a", "MessageBody": "x"}, {"Id": "b", "MessageBody": ""}]},
    ),
    "send several of a name": (
        "SendMessageBatch",
        {"QueueUrl": QUEUE, "Entries": [{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}]},
    ),
    "delete what is not there": ("DeleteMessage", {"QueueUrl": QUEUE, "ReceiptHandle": "nobody's"}),
    "delete several, none there": (
        "DeleteMessageBatch",
        {"QueueUrl": QUEUE, "Entries": [{"Id": "a", "ReceiptHandle": "nobody's"}]},
    ),
    "receive what there is, which is nothing": ("ReceiveMessage", {"QueueUrl": QUEUE, "WaitTimeSeconds": 0}),
    "receive too many": (
        "ReceiveMessage",
        {"QueueUrl": QUEUE, "WaitTimeSeconds": 0, "MaxNumberOfMessages": 11},
    ),
    "receive within the queue's own time": ("ReceiveMessage", {"QueueUrl": QUEUE}),
    "receive without JSON": ("ReceiveMessage", b"{"),
    "hide what is not there": (
        "ChangeMessageVisibility",
        {"QueueUrl": QUEUE, "ReceiptHandle": "nobody's", "VisibilityTimeout": 1},
    ),
    "hide several, none there": (
        "ChangeMessageVisibilityBatch",
        {"QueueUrl": QUEUE, "Entries": [{"Id": "a", "ReceiptHandle": "nobody's", "VisibilityTimeout": 1}]},
    ),
    "make what is there": ("CreateQueue", {"QueueName": "prompt"}),
    "make what must not be": ("CreateQueue", {"QueueName": "no name"}),
    "find": ("GetQueueUrl", {"QueueName": "prompt"}),
    "find what is not there": ("GetQueueUrl", {"QueueName": "prompt-not"}),
    "ask of": ("GetQueueAttributes", {"QueueUrl": QUEUE, "AttributeNames": ["All"]}),
    "ask of what is not there": ("GetQueueAttributes", {"QueueUrl": f"{QUEUE}-not"}),
    "set": ("SetQueueAttributes", {"QueueUrl": QUEUE, "Attributes": {"VisibilityTimeout": "30"}}),
    "set wrongly": ("SetQueueAttributes", {"QueueUrl": QUEUE, "Attributes": {"VisibilityTimeout": "-1"}}),
    "no JSON": ("SendMessage", b"{"),
    "no body": ("SendMessage", b""),
}


@pytest.mark.parametrize(("call", "request_"), CALLS.values(), ids=CALLS)
def test_queue_call_is_answered_as_by_the_application_without_asking_it(
    emulator: Emulator, call: str, request_: object
) -> None:
    promptly = emulator.answer(a_call(call, request_))
    assert emulator.asked_the_application == 0
    slowly = emulator.answer(a_call(call, request_, expect="nothing"))
    assert emulator.asked_the_application == 1
    assert masked(promptly) == masked(slowly)


@pytest.mark.parametrize("wait", [{"WaitTimeSeconds": 0}, {}], ids=["promptly", "as the queue has it"])
def test_message_is_received_once_sent_and_not_once_deleted(
    emulator: Emulator, wait: Mapping[str, int]
) -> None:
    receive = a_call("ReceiveMessage", {"QueueUrl": QUEUE, "VisibilityTimeout": 0, **wait})
    _, received = emulator.answers(a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"}), receive)
    (message,) = received[2]["Messages"]
    delete = a_call("DeleteMessage", {"QueueUrl": QUEUE, "ReceiptHandle": message["ReceiptHandle"]})
    _, after = emulator.answers(delete, receive)
    assert message["Body"] == "x"
    assert not after[2].get("Messages")


def test_queue_of_another_region_is_not_found(emulator: Emulator) -> None:
    call, request = CALLS["send"]
    calls = [a_call(call, request), a_call(call, request, region="eu-west-1"), a_call(call, request)]
    assert [status for status, _, _ in emulator.answers(*calls)] == [200, 400, 200]


def test_each_message_names_the_account_that_sent_it(emulator: Emulator) -> None:
    send = ("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"})
    ask = {"QueueUrl": QUEUE, "AttributeNames": ["SenderId"], "MaxNumberOfMessages": 2}
    calls = [a_call(*send, key="123456789012"), a_call(*send), a_call("ReceiveMessage", ask)]
    received = emulator.answers(*calls)[-1][2]["Messages"]
    assert [message["Attributes"]["SenderId"] for message in received] == ["123456789012", "000000000000"]


@pytest.mark.parametrize(
    "call",
    [
        a_call("ReceiveMessage", {"QueueUrl": QUEUE, "WaitTimeSeconds": 1}, authorization="AWS test:0"),
        a_call("ListQueues", {}),
        a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"}, authorization="AWS test:0"),
        a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"}, connection="keep-alive, close"),
        a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"}).replace(b"POST / ", b"POST /?a=b "),
        a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x" * 1_100_000}),
        a_call("SendMessage", b"2\r\n{}\r\n0\r\n\r\n").replace(
            b"content-length: 12", b"transfer-encoding: chunked"
        ),
    ],
    ids=[
        "long poll signed otherwise",
        "rare",
        "signed otherwise",
        "last of its connection",
        "with a query",
        "long",
        "in chunks",
    ],
)
def test_other_calls_are_the_applications(emulator: Emulator, call: bytes) -> None:
    emulator.answer(call)
    assert emulator.asked_the_application == 1


def test_calls_are_the_applications_where_it_verifies_signatures(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ministack, "AUTH", True)
    emulator.answer(a_call(*CALLS["send"]))
    assert emulator.asked_the_application == 1


def test_fault_inside_the_emulator_is_an_internal_failure(emulator: Emulator) -> None:
    status, _, document = emulator.answer(a_call("SendMessage", b'["no object"]'))
    assert (status, document) == (500, {"__type": "InternalFailure"})
    assert emulator.answer(a_call(*CALLS["send"]))[0] == 200


def test_calls_in_one_packet_are_answered_in_order_though_the_application_takes_its_time(
    emulator: Emulator,
) -> None:
    send = a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"})
    receive = a_call("ReceiveMessage", {"QueueUrl": QUEUE})
    answers = emulator.answers_to_one_packet(send, receive, send)
    assert [sorted(document) for _, _, document in answers] == [
        ["MD5OfMessageBody", "MessageId"],
        ["Messages"],
        ["MD5OfMessageBody", "MessageId"],
    ]
    assert emulator.asked_the_application == 2


@pytest.mark.parametrize(
    ("forgery", "code"),
    [
        ({"key": "unknown"}, "UnrecognizedClientException"),
        ({"x-amz-date": "20200101T000000Z"}, "RequestTimeTooSkewed"),
        ({"content-type": "text/plain"}, "SignatureDoesNotMatch"),
        ({"host": "evil.example"}, "AccessDeniedException"),
    ],
    ids=["unknown key", "old", "altered", "rebound"],
)
def test_call_that_is_not_signed_right_is_refused_promptly(
    emulator: Emulator, forgery: Mapping[str, str], code: str
) -> None:
    status, _, document = emulator.answer(
        a_call("SendMessage", {"QueueUrl": QUEUE, "MessageBody": "x"}, **forgery)
    )
    assert (status, document["__type"]) == (403, code)
    received = emulator.answer(a_call("ReceiveMessage", {"QueueUrl": QUEUE, "WaitTimeSeconds": 0}))
    assert not received[2].get("Messages")


@pytest.mark.parametrize("header", ["origin", "sec-fetch-site"])
def test_call_of_a_browser_is_not_answered_promptly(emulator: Emulator, header: str) -> None:
    emulator.answer(a_call(*CALLS["send"], **{header: "none"}))
    assert emulator.asked_the_application == 1
