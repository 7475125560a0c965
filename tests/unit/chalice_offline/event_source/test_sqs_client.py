"""The SQS client against a server that answers from a script."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chalice_offline.event_source.sqs_client import SqsClient, SqsError

NOW = 1_700_000_000.0


class ScriptedServer:
    """Answers each request with the next (status, document); None closes the connection instead."""

    def __init__(self, *answers: tuple[int, Any] | None) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[dict[str, str], Any]] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, json.loads(body)))
                answer = self._answers.pop(0)
                if answer is None:
                    break
                document = json.dumps(answer[1]).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (answer[0], len(document)) + document
                )
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def run(
    server: ScriptedServer,
    scenario: Callable[[SqsClient], Awaitable[None]],
    clock: Callable[[], float] = time.time,
) -> None:
    async def main() -> None:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        client = SqsClient(
            f"http://127.0.0.1:{port}", region="us-east-1", access_key="k", secret_key="s", clock=clock
        )
        try:
            await scenario(client)
        finally:
            await client.close()
            listener.close()
            await listener.wait_closed()

    asyncio.run(main())


def test_calls_are_signed_json_over_one_kept_connection() -> None:
    message = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "MD5OfBody": "x"}
    server = ScriptedServer((200, {"QueueUrl": "http://q"}), (200, {"Messages": [message]}), (200, {}))

    async def scenario(client: SqsClient) -> None:
        assert await client.queue_url("orders") == "http://q"
        assert await client.receive("http://q", count_max=50, wait_s=1) == [message]
        assert await client.receive("http://q", count_max=1, wait_s=0) == []

    run(server, scenario)
    assert server.connections == 1
    headers, body = server.requests[1]
    assert headers["x-amz-target"] == "AmazonSQS.ReceiveMessage"
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=k/")
    assert (body["MaxNumberOfMessages"], body["WaitTimeSeconds"]) == (10, 1)


@pytest.mark.parametrize("asleep_s", [3_600, -3_600])
def test_receive_is_signed_anew_when_the_clock_has_leapt(asleep_s: int) -> None:
    server = ScriptedServer((200, {}), (200, {}), (200, {}))
    moments = iter([NOW, NOW, NOW + 1, NOW + asleep_s, NOW + asleep_s])

    async def scenario(client: SqsClient) -> None:
        for _ in range(3):
            await client.receive("http://q", count_max=1, wait_s=1)

    run(server, scenario, clock=lambda: next(moments))
    first, second, third = (headers["x-amz-date"] for headers, _ in server.requests)
    assert first == second
    assert third == time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW + asleep_s))


def test_deletes_go_ten_to_a_call_and_failures_are_told() -> None:
    failed = {
        "Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid", "Message": "old", "SenderFault": True}]
    }
    server = ScriptedServer((200, {"Successful": []}), (200, failed))

    async def scenario(client: SqsClient) -> None:
        problems = await client.delete("http://q", [f"r{number}" for number in range(12)])
        assert problems == ["ReceiptHandleIsInvalid: old"]

    run(server, scenario)
    assert [len(body["Entries"]) for _, body in server.requests] == [10, 2]


def test_nothing_to_delete_makes_no_call() -> None:
    server = ScriptedServer()

    async def scenario(client: SqsClient) -> None:
        assert await client.delete("http://q", []) == []

    run(server, scenario)
    assert server.requests == []


def test_refusal_carries_the_code_without_its_namespace() -> None:
    server = ScriptedServer((400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "none"}))

    async def scenario(client: SqsClient) -> None:
        with pytest.raises(SqsError, match="none") as refused:
            await client.queue_url("orders")
        assert refused.value.code == "QueueDoesNotExist"

    run(server, scenario)


def test_kept_connection_that_the_server_closed_is_replaced() -> None:
    server = ScriptedServer((200, {"QueueUrl": "one"}), None, (200, {"QueueUrl": "two"}))

    async def scenario(client: SqsClient) -> None:
        assert await client.queue_url("orders") == "one"
        assert await client.queue_url("orders") == "two"

    run(server, scenario)
    assert server.connections == 2


def test_server_that_cannot_be_reached_is_an_os_error() -> None:
    async def main() -> None:
        with socket.socket() as silent:  # which keeps the port from others, and does not listen
            silent.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            client = SqsClient(url, region="us-east-1", access_key="k", secret_key="s")
            with pytest.raises(OSError, match=r"refused|Connect"):
                await client.queue_url("orders")

    asyncio.run(main())
