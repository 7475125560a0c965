"""uvicorn's HTTP protocol, except that some requests are answered as soon as they have been read, or as soon
as there is something to say.

Where an answer waits for nothing, a task, a scope and two messages for it cost more than all the rest.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from chalice_offline.bounded_http import BoundedHttp
from chalice_offline.callers import HeadersByName, by_name
from chalice_offline.prompt_requests import PromptRequest, WholeRequests
from chalice_offline.supervision import fail

HEADERS_SENT: Final = "headers_sent"
"""Key of a scope's state: the request's headers with their names as the client wrote them."""
_INTERNAL_ERROR: Final = 500
_EXPECT: Final = b"expect"


class PromptHttp(BoundedHttp, ABC):
    """One client's connection; what is not prompt goes to the application, as with uvicorn.

    Attributes:
        body_bytes_max: Longer bodies of prompt requests are cut.
    """

    body_bytes_max: int

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.headers_sent: list[tuple[bytes, bytes]] = []
        self._whole_requests: Final = WholeRequests()
        # Whether uvicorn's parser is within a request.
        self._is_parsing = False
        self._named: HeadersByName = {}
        # The body of a prompt request so far; None while anything else is read.
        self._body: bytes | None = None
        self._complete: list[PromptRequest] = []
        # The last request, if its answer must be waited for; then that, and what arrived behind it.
        self._waiting: PromptRequest | None = None
        self._later: asyncio.Task[bytes] | None = None
        self._behind = b""
        self._answered_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def is_prompt(self, method: str, target: bytes, named: HeadersByName) -> bool:
        """Tell by its head whether a request is to be answered at once."""

    def must_wait(self, _request: PromptRequest) -> bool:
        """Tell by its body whether a prompt request is the application's all the same."""
        return False

    def respond_later(self, _request: PromptRequest) -> "asyncio.Task[bytes] | None":
        """Begin to answer a request that must wait, or leave it to the application."""
        return None

    @property
    def waits_for_client(self) -> bool:
        return self._later is None and super().waits_for_client

    @abstractmethod
    def respond(self, request: PromptRequest) -> bytes:
        """Return the whole answer to a prompt request."""

    def answers(self, requests: Sequence[PromptRequest]) -> list[bytes]:
        """Return the answers to requests that came in one piece."""
        return [*map(self._answered, requests)]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._later is not None:
            self._later.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._later is not None:
            self._keep_for_later(data)
            return
        if not self._is_parsing and self._takes_whole(data):
            return
        super().data_received(data)
        if self._complete:
            requests, self._complete = self._complete, []
            self._answer(requests)
        if self._waiting is not None:
            self._begin_to_answer(self._waiting)

    def _takes_whole(self, data: bytes) -> bool:
        """Answer requests that came whole, if nothing else came; False, and nothing has happened, if so."""
        if not self._is_free():
            return False
        requests = self._whole_requests.read(data)
        if not requests:
            return False
        for request in requests:
            if not self.is_prompt(request.method, request.target, request.named):
                return False
            if self.must_wait(request):
                if len(requests) > 1 or not self._begins_to_answer(request):
                    return False
                self.requests_came_whole()
                return True
        self.requests_came_whole()
        self._answer(requests)
        return True

    def _answer(self, requests: Sequence[PromptRequest]) -> None:
        try:
            answers = self.answers(requests)
        except Exception as error:  # noqa: BLE001  # the edge towards the client
            fail("answering requests", error)
            answers = [_FAULT] * len(requests)
        self._say(answers)

    def _say(self, answers: Sequence[bytes]) -> None:
        self.server_state.total_requests += len(answers)
        self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
        self.request_is_answered()
        self._answered_at = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _begin_to_answer(self, request: PromptRequest) -> None:
        if self._begins_to_answer(request):
            self._waiting = None
        else:
            self._hand_over_waiting()

    def _begins_to_answer(self, request: PromptRequest) -> bool:
        later = self.respond_later(request)
        if later is None:
            return False
        self._later = later
        later.add_done_callback(self._say_later)
        return True

    def _keep_for_later(self, data: bytes) -> None:
        """Let what a client sends before it has its answer wait, up to what a request may have."""
        self._behind += data
        if len(self._behind) > self.body_bytes_max:
            self.transport.pause_reading()

    def _say_later(self, answer: "asyncio.Task[bytes]") -> None:
        self._later = None
        if answer.cancelled() or self.transport.is_closing():
            return
        if (error := answer.exception()) is not None:
            fail("answering a request", error)
        self._say([_FAULT if error is not None else answer.result()])
        behind, self._behind = self._behind, b""
        if behind:
            self.transport.resume_reading()
            self.data_received(behind)

    def _answered(self, request: PromptRequest) -> bytes:
        """Return the answer; a defect of ours is this request's alone, not the connection's."""
        try:
            return self.respond(request)
        except Exception as error:  # noqa: BLE001  # the edge towards the client
            fail("answering a request", error)
            return _FAULT

    def on_message_begin(self) -> None:
        if self._waiting is not None:
            # Another request follows it, whose turn the application knows.
            self._hand_over_waiting()
        # What uvicorn prepares for an application waits until the head tells that it is one's.
        self.url = b""
        self.headers_sent = []
        self._is_parsing = True
        self.request_begins()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.reads_head:
            return  # a trailer, which is no header (RFC 9110, 6.5.1)
        self.headers_sent.append((name, value))

    def on_headers_complete(self) -> None:
        self.head_is_complete()
        if not self.url.startswith(b"/"):
            self._take_host_from_target()
        self._named = by_name(self.headers_sent)
        method = self.parser.get_method().decode("ascii")
        if self.is_prompt(method, self.url, self._named) and self._is_usual():
            self._body = b""
        else:
            self._hand_over()

    def on_body(self, body: bytes) -> None:
        if self._body is None:
            super().on_body(body)
        elif len(self._body) <= self.body_bytes_max:
            self._body += body

    def on_message_complete(self) -> None:
        self._is_parsing = False
        if self._body is None:
            super().on_message_complete()
            return
        method = self.parser.get_method().decode("ascii")
        request = PromptRequest(method, self.url, self.headers_sent, self._named, self._body)
        self._body = None
        if not self.must_wait(request):
            self._complete.append(request)
            return
        if self._complete:
            # As what came before it in one piece is yet to be answered.
            self._hand_over_whole(request)
        else:
            self._waiting = request

    def _hand_over_waiting(self) -> None:
        request, self._waiting = self._waiting, None
        assert request is not None, "nothing waits"
        self._hand_over_whole(request)

    def _hand_over_whole(self, request: PromptRequest) -> None:
        self._hand_over()
        super().on_body(request.body)
        super().on_message_complete()

    def _hand_over(self) -> None:
        """Tell uvicorn what has been read of the head."""
        url, headers = self.url, self.headers_sent
        super().on_message_begin()
        self.url = url
        self.scope["state"][HEADERS_SENT] = headers
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def _take_host_from_target(self) -> None:
        """Let the host in a target that is a whole URL replace that of the header (RFC 9112, 3.2.2)."""
        target = httptools.parse_url(self.url)
        if target.host is None:
            return
        host = b"[%b]" % target.host if b":" in target.host else target.host
        authority = host if target.port is None else b"%b:%d" % (host, target.port)
        self.headers_sent = [header for header in self.headers_sent if header[0].lower() != b"host"]
        self.headers_sent.append((b"host", authority))
        self.url = (target.path or b"/") + (b"?" + target.query if target.query else b"")

    def _is_usual(self) -> bool:
        """Tell whether the request asks nothing of the connection that takes an application to answer."""
        return (
            self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and self._is_free()
            and _EXPECT not in self._named
        )

    def _is_free(self) -> bool:
        """Tell whether an answer can be written now: those to earlier requests, on which the application may
        still be at work, come first.
        """
        return not self.flow.write_paused and (self.cycle is None or self.cycle.response_complete)

    def _close_if_idle(self) -> None:
        """End a connection that was silent for long; one timer for many requests,
        where uvicorn takes one for each.
        """
        self._idle_timer = None
        left_s = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._close_if_idle)
        elif (
            self._body is None
            and self._later is None  # and no other request, nor an upgrade, has come since
            and (self.cycle is None or self.cycle.response_complete)
            and self.transport.get_protocol() is self
        ):
            self.transport.close()


def head_bytes(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return status line and headers, without the empty line that ends them."""
    return b"".join([STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers)])


_FAULT: Final = head_bytes(_INTERNAL_ERROR, [(b"content-length", b"0")]) + b"\r\n"
