"""MiniStack's protocol on a transport that keeps what is written, and signed queue calls for it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from uvicorn.server import ServerState

from chalice_offline.services.emulator_guard import Guard
from chalice_offline.services.emulator_http import EmulatorHttp
from chalice_offline.services.prompt_guard import PromptGuard

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.has_news = asyncio.Event()
        self.closed = False

    def write(self, data: Any) -> None:
        if data:
            self.written.append(bytes(data))
            self.has_news.set()

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Read on: all there is has been read."""

    def resume_reading(self) -> None:
        """As above."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        return asyncio.Protocol()


Answer = tuple[int, Mapping[str, str], Any]
OWN = {"host": "localhost", "content-type": "application/x-amz-json-1.0"}
# What differs from answer to answer of MiniStack's, and what it says to browsers and in S3's name.
NOT_COMPARED = re.compile("access-control-.*|date|x-amz-.*id.*|x-amzn-requestid|content-length")
QUEUE = "http://x/000000000000/prompt"


SECRET = "secret"
GUARD = Guard(dict.fromkeys(("test", "123456789012"), SECRET), frozenset({"sqs"}))


class GuardedHttp(EmulatorHttp):
    guard = GUARD
    prompt_guard = PromptGuard(GUARD)


def a_call(call: str, request: object, *, key: str = "test", region: str = "us-east-1", **more: str) -> bytes:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    signed_request = AWSRequest(
        "POST", f"http://{OWN['host']}/", headers={**OWN, "x-amz-target": f"AmazonSQS.{call}"}, data=body
    )
    SigV4Auth(Credentials(key, SECRET), "sqs", region).add_auth(signed_request)
    signed = {name.lower(): value for name, value in signed_request.headers.items()}
    headers = {**signed, **more, "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


def complete_answers(data: bytes) -> list[Answer]:
    found: list[Answer] = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        size = int(headers["content-length"])
        if len(rest) < size:
            break
        assert headers["x-amzn-requestid"]
        assert headers["date"].endswith(" GMT")
        shown = {name: value for name, value in headers.items() if not NOT_COMPARED.fullmatch(name)}
        found.append((int(status.split()[1]), shown, json.loads(rest[:size])))
        data = rest[size:]
    return found


class Client:
    """One connection to MiniStack's protocol."""

    def __init__(self, application: Any = None) -> None:
        """``application`` gets the calls that are not answered at once."""
        config = uvicorn.Config(
            application or _no_application, lifespan="off", log_config=None, server_header=False
        )
        self._wire = Wire()
        self.protocol = GuardedHttp(config=config, server_state=ServerState(), app_state={})
        self.protocol.connection_made(self._wire)

    def ask(self, call: str, **request: object) -> None:
        self.protocol.data_received(a_call(call, {"QueueUrl": QUEUE, **request}))

    @property
    def answers(self) -> list[Any]:
        return [document for _, _, document in complete_answers(b"".join(self._wire.written))]

    async def answered(self, count: int) -> list[Any]:
        async with asyncio.timeout(10):
            while len(self.answers) < count:
                self._wire.has_news.clear()
                await self._wire.has_news.wait()
        return self.answers


async def _no_application(_scope: Any, _receive: Any, _send: Send) -> None:
    raise AssertionError("the application was asked")
