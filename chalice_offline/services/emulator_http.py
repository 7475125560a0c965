"""HTTP as the emulator speaks it: uvicorn's, but that it answers an app's usual queue calls much sooner.

MiniStack looks through some thirty routes of other services before it finds that a call is SQS's, which
says so in a header. Calls that wait for nothing go straight to its SQS and are answered as soon as they
have been read. Everything else goes MiniStack's own way; there the head of an answer leaves together with
the beginning of its body, where uvicorn writes them one after the other: two system calls here, and a
client that is woken for half an answer.
"""

import asyncio
import contextvars
import logging
import os
import time
from collections.abc import Coroutine, Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Any, ClassVar, Final, cast

import ministack.app as ministack
from ministack.core.responses import set_request_account_id, set_request_client_ip, set_request_region
from ministack.core.router import extract_access_key_id, extract_region
from ministack.services import sqs
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from chalice_offline.callers import HeadersByName
from chalice_offline.json_text import decoded
from chalice_offline.prompt_http import PromptHttp, head_bytes
from chalice_offline.prompt_requests import PromptRequest
from chalice_offline.services import fair_sqs
from chalice_offline.services.emulator_guard import CanonicalRequest, Guard
from chalice_offline.services.guarded_emulator import refusal_answer
from chalice_offline.services.long_polls import GATHER
from chalice_offline.services.prompt_guard import PromptGuard
from chalice_offline.uuids import new_uuid

# For MiniStack's own way as well: which of the two a call goes must not change who is served.
fair_sqs.install()

# Of these, MiniStack's handlers wait for nothing, unless a receive asks for it.
_SERVICE: Final = b"AmazonSQS."
_PROMPT_CALLS: Final = frozenset(
    _SERVICE + call.encode()
    for call in (
        "SendMessage",
        "SendMessageBatch",
        "ReceiveMessage",
        "DeleteMessage",
        "DeleteMessageBatch",
        "ChangeMessageVisibility",
        "ChangeMessageVisibilityBatch",
        # With what a start asks of its queues: MiniStack's own way to answer imports botocore's client first,
        # 0.15 s of processor time and 10 MB for the content type that all of SQS's answers have.
        "CreateQueue",
        "GetQueueAttributes",
        "GetQueueUrl",
        "SetQueueAttributes",
    )
)
_RECEIVE: Final = b"AmazonSQS.ReceiveMessage"
_SIGNED: Final = b"AWS4-HMAC-SHA256 Credential="
# What is longer, or does not say how long it is, goes MiniStack's own way.
_BODY_BYTES_MAX: Final = 1024 * 1024
_CREDENTIALS_KEPT: Final = 64
# A request with one of these goes the long way round, and there as far as the guard.
_UNUSUAL: Final = frozenset({b"content-encoding", b"origin", b"sec-fetch-site"})
_Answer = tuple[int, Mapping[str, str], bytes | str]
_FAILED: Final[_Answer] = 500, {"Content-Type": "application/x-amz-json-1.0"}, b'{"__type":"InternalFailure"}'


class EmulatorHttp(PromptHttp):
    """One client's connection."""

    body_bytes_max = _BODY_BYTES_MAX
    guard: ClassVar[Guard] = Guard.from_env(os.environ)
    prompt_guard: ClassVar[PromptGuard] = PromptGuard(guard)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        # Not a transport by its class, but it does all that one does.
        super().connection_made(cast("asyncio.Transport", _Joining(self, transport)))

    def is_prompt(self, method: str, target: bytes, named: HeadersByName) -> bool:
        return (
            named.get(b"x-amz-target") in _PROMPT_CALLS
            and named.get(b"authorization", b"").startswith(_SIGNED)
            and target == b"/"
            and method == "POST"
            and _UNUSUAL.isdisjoint(named)
            and _is_short(named.get(b"content-length", b""))
            and not _is_busy()
        )

    def must_wait(self, request: PromptRequest) -> bool:
        if request.named[b"x-amz-target"] != _RECEIVE:
            return False
        try:
            asked = decoded(request.body)
            # Not named, it is the queue's own attribute.
            return bool(asked["WaitTimeSeconds"] != 0) or GATHER in asked
        except (ValueError, TypeError, KeyError):
            return True

    def respond(self, request: PromptRequest) -> bytes:
        headers = request.named
        client_ip = (self.client or ("127.0.0.1",))[0]
        if self.prompt_guard.lets_in(headers, request.body):
            # Of callers whose credentials are always good, whose call it is, is found out once.
            context = _context(headers[b"authorization"].partition(b",")[0], client_ip).copy()
        else:
            refusal = self._refusal(request)
            if refusal is not None:
                return refusal
            context = _new_context(headers[b"authorization"].partition(b",")[0], client_ip)
        return _whole(*context.run(_answered, headers, request.body))

    def respond_later(self, request: PromptRequest) -> asyncio.Task[bytes] | None:
        headers = request.named
        if not self.prompt_guard.lets_in(headers, request.body):
            return None
        client_ip = (self.client or ("127.0.0.1",))[0]
        context = _context(headers[b"authorization"].partition(b",")[0], client_ip).copy()
        return self.loop.create_task(_answered_later(headers, request.body), context=context)

    def _refusal(self, request: PromptRequest) -> bytes | None:
        """Return the guard's answer to what it does not let in."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        signed = CanonicalRequest(request.method, "/", {}, headers, request.body)
        refusal = self.guard.refusal_of_head("/", request.headers, signed) or self.guard.refusal_of_signature(
            signed
        )
        if refusal is None:
            return None
        content_type, body = refusal_answer(headers, refusal)
        return _whole(403, {"Content-Type": content_type}, body)


def _whole(status: int, said: Mapping[str, str], body: bytes | str) -> bytes:
    """Return an answer as it goes over the wire."""
    answer = body if isinstance(body, bytes) else body.encode()
    tail = f"x-amzn-requestid: {new_uuid()}\r\ncontent-length: {len(answer)}\r\n\r\n"
    return _head(status, tuple(said.items()), int(time.time())) + tail.encode("ascii") + answer


def _new_context(credential: bytes, client_ip: str) -> contextvars.Context:
    """Return a context in which MiniStack knows whose call it is; it must not outlast the call."""
    context = contextvars.copy_context()
    context.run(_note_caller, credential, client_ip)
    return context


_context: Final = lru_cache(maxsize=_CREDENTIALS_KEPT)(_new_context)


def _note_caller(credential: bytes, client_ip: str) -> None:
    access_key, region = _caller(credential)
    set_request_client_ip(client_ip)
    set_request_account_id(access_key)
    set_request_region(region)


def _answered(headers: HeadersByName, body: bytes) -> _Answer:
    """Return status, headers and body of SQS's answer, as MiniStack's application would get it."""
    try:
        return _result(_called(headers, body))
    except Exception:
        logging.getLogger(__name__).exception("queue call failed")
        return _FAILED


async def _answered_later(headers: HeadersByName, body: bytes) -> bytes:
    """Return the answer to a call that waits for something, as it goes over the wire."""
    try:
        return _whole(*await _called(headers, body))
    except Exception:
        logging.getLogger(__name__).exception("queue call failed")
        return _whole(*_FAILED)


def _called(headers: HeadersByName, body: bytes) -> Coroutine[Any, Any, _Answer]:
    """Begin what MiniStack's ``handle_request`` does with a call in JSON where it verifies no signatures."""
    # Neither is public; ``test_emulator_http.py`` fails if a release renames them.
    sqs._request_host.set(headers.get(b"host", b"").decode("latin-1"))  # noqa: SLF001
    call = headers[b"x-amz-target"].removeprefix(_SERVICE).decode("ascii")
    try:
        asked = decoded(body) if body else {}
    except ValueError:
        asked = {}
    return cast("Coroutine[Any, Any, _Answer]", sqs._handle_json(call, asked, "/"))  # noqa: SLF001


def _result(call: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Run a coroutine that waits for nothing to its end; return its result."""
    try:
        call.send(None)
    except StopIteration as end:
        return cast("_Answer", end.value)
    call.close()
    raise RuntimeError("a queue call waited for something")


def _is_short(content_length: bytes) -> bool:
    return content_length.isdigit() and int(content_length) <= _BODY_BYTES_MAX


def _is_busy() -> bool:
    """Tell whether MiniStack verifies signatures, or is being reset."""
    # Neither is public; ``test_emulator_http.py`` fails if a release renames them.
    return bool(ministack.AUTH) or ministack._get_reset_lock().locked()  # noqa: SLF001


@lru_cache(maxsize=_CREDENTIALS_KEPT)
def _caller(credential: bytes) -> tuple[str, str]:
    """Return access key and region, as MiniStack reads them; they choose account and region of the queues."""
    headers = {"authorization": credential.decode("latin-1") + ","}
    return extract_access_key_id(headers), extract_region(headers)


@lru_cache(maxsize=64)
def _head(status: int, said: tuple[tuple[str, str], ...], second: int) -> bytes:
    """Return the head of an answer as far as answers of its kind share it within a second."""
    own = [(name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in said]
    return head_bytes(status, [*own, (b"date", formatdate(second, usegmt=True).encode("ascii"))])


class _Joining:
    """A transport that keeps the head of each answer of the application back, so that the beginning of the
    body leaves with it; only until the event loop goes on, since to HEAD there is no body, and what is made
    while it is sent may take its time.
    """

    def __init__(self, protocol: EmulatorHttp, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._head = b""
        self._answer: RequestResponseCycle | None = None

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif self._begins_an_answer():
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def _begins_an_answer(self) -> bool:
        """Tell a head from interim responses, refusals, later parts of a body, and WebSocket frames."""
        answer = self._protocol.cycle
        if (
            answer is None
            or answer is self._answer
            or not answer.response_started
            or answer.response_complete
        ):
            return False
        self._answer = answer
        return True
