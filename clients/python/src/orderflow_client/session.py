"""One WebSocket that is always there: it comes back by itself, and asks until it is answered.

It knows frames and their ``requestId``, not orders. What comes without being asked for goes to ``on_frame``;
after each connection ``on_connected`` says again what is to be followed, and ``on_failed`` is told when there
will be none any more, for now: the credential is refused.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from itertools import count
from typing import Any, Final, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from orderflow_client.addresses import Addresses
from orderflow_client.backoff import Backoff, pause
from orderflow_client.credentials import Credentials
from orderflow_client.errors import (
    ClientClosedError,
    DisconnectedError,
    InvalidRequestError,
    OrderflowError,
    RefusedError,
    UnknownOutcomeError,
    WithinTokenError,
    error_from,
    passes,
)
from orderflow_client.limits import Limits
from orderflow_client.tries import Effect, Tries

Frame = dict[str, Any]

FRAME_BYTES_MAX: Final = 32_000
"""Of what is sent: API Gateway takes 32 KB."""
_RECEIVED_BYTES_MAX: Final = 1_048_576
_LOST: Final = object()


class Answered(NamedTuple):
    """An answer.

    Attributes:
        unknown: An earlier try may have been carried out as well, unanswered.
    """

    frame: Frame
    unknown: UnknownOutcomeError | None


class Session:
    """See the module. ``close`` ends it; every question that waits then raises ``ClientClosedError``.

    Of one that was sent and changes something the outcome is unknown instead.
    """

    def __init__(
        self,
        addresses: Addresses,
        credentials: Credentials,
        limits: Limits,
        *,
        on_frame: Callable[[Frame], None],
        on_connected: Callable[[], Awaitable[None]],
        on_failed: Callable[[OrderflowError], None],
    ) -> None:
        self._addresses = addresses
        self._credentials = credentials
        self._limits = limits
        self._on_frame = on_frame
        self._on_connected = on_connected
        self._on_failed = on_failed
        self._socket: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._slots = asyncio.Semaphore(limits.in_flight_max)
        self._marks = count(1)
        self._not_before = 0.0
        self._heard_at = 0.0
        self._failure: OrderflowError | None = None
        self._fault: Exception | None = None  # of the last try to connect
        self._running: asyncio.Task[None] | None = None
        self._greeting: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @property
    def failure(self) -> OrderflowError | None:
        """Return why there will be no connection any more, if that is so."""
        return ClientClosedError("the client is closed") if self._closed.is_set() else self._failure

    def start(self) -> None:
        """Begin to connect, if that has not begun; a refusal that was final is forgotten.

        Raises:
            ClientClosedError: The client is closed.
            WithinTokenError: The caller is what makes the token.
        """
        if self._closed.is_set():
            raise ClientClosedError("the client is closed")
        self._credentials.check_outside()
        if self._running is None or self._running.done():
            self._failure = None
            self._connected.clear()  # a refusal sets it, so that nothing waits for what will not come
            self._running = asyncio.create_task(self._run(), name="orderflow connection")

    async def close(self) -> None:
        self._closed.set()
        tasks = [task for task in (self._greeting, self._running) if task is not None]
        try:
            if self._socket is not None:
                await self._socket.close()
        finally:
            for task in tasks:
                task.cancel()
            self._connected.set()
        if tasks:
            await asyncio.wait(tasks)

    def answer(self, mark: str, frame: Frame) -> None:
        """Answer a question by what came instead: an order's event is as good as its acceptance."""
        waiting = self._answers.get(mark)
        if waiting is not None and not waiting.done():
            waiting.set_result(frame)

    async def ask(
        self,
        frame: Mapping[str, Any],
        *,
        effect: Effect,
        mark: str | None = None,
        unknown: UnknownOutcomeError | None = None,
    ) -> Frame:
        """Send a frame, as ``answered`` does, and return its answer alone."""
        return (await self.answered(frame, effect=effect, mark=mark, unknown=unknown)).frame

    async def answered(
        self,
        frame: Mapping[str, Any],
        *,
        effect: Effect,
        mark: str | None = None,
        unknown: UnknownOutcomeError | None = None,
    ) -> Answered:
        """Send a frame and return its answer.

        Args:
            effect: What a second time does: whether the frame is sent again after a lost connection or an
                unknown outcome.
            mark: The ``requestId``; made if there is none.
            unknown: What it asks for was asked for before, in another frame, and may have been done.

        Raises:
            RefusedError: The engine refused it, for good or for all of the time limit.
            UnknownOutcomeError: It was sent, and no answer came that speaks for each time.
            DisconnectedError: It was never sent.
            WithinTokenError: The caller is what makes the token.
        """
        if not self._closed.is_set():
            self.start()
        tries, backoff = Tries(effect, unknown), Backoff()
        mark = mark or f"q{next(self._marks)}"
        text = json.dumps({**frame, "requestId": mark}, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > FRAME_BYTES_MAX:
            raise InvalidRequestError("MESSAGE_TOO_LARGE", f"a frame may have {FRAME_BYTES_MAX} bytes")
        limit_s = self._limits.time_limit_s
        deadline = time.monotonic() + limit_s
        error: OrderflowError | None = None
        async with self._slots:
            while (left_s := deadline - time.monotonic()) > 0:
                try:
                    found = await self._try(text, mark, left_s)
                except (RefusedError, ClientClosedError, WithinTokenError) as failure:
                    error = failure
                    break
                if found is None:
                    continue
                if not isinstance(found, UnknownOutcomeError) and found.get("type") != "error":
                    return Answered(found, tries.unknown)
                error = found if isinstance(found, UnknownOutcomeError) else error_from(found)
                if not tries.may_follow(error):
                    break
                # A lost connection is waited for already, and silence was long enough.
                if error is not found:
                    await self._pause(backoff, error, deadline)
        raise tries.failed(error or self._unconnected(limit_s))

    def _unconnected(self, limit_s: float) -> DisconnectedError:
        why = f" ({self._fault})" if self._fault is not None else ""
        error = DisconnectedError(f"no connection within {limit_s:g} s{why}; nothing was sent")
        error.__cause__ = self._fault
        return error

    async def _try(self, text: str, mark: str, left_s: float) -> Frame | UnknownOutcomeError | None:
        """Send once; return the answer, that none came, or None if there was no connection to send on."""
        try:
            async with asyncio.timeout(left_s):
                await self._connected.wait()
                await pause(max(0.0, self._not_before - time.monotonic()), self._closed)
        except TimeoutError:
            return None
        if (failure := self.failure) is not None:
            raise failure
        socket = self._socket
        if socket is None:
            return None
        waiting = self._answers[mark] = asyncio.get_running_loop().create_future()
        sent_at = time.monotonic()
        try:
            async with asyncio.timeout(min(left_s, self._limits.answer_s)):
                await socket.send(text)
                found = await waiting
        except (ConnectionClosed, TimeoutError):
            found = _LOST
            if self._heard_at < sent_at:
                # Nothing at all came: the connection may be dead, and a new one is cheap.
                socket.transport.abort()
        finally:
            self._answers.pop(mark, None)
        if found is not _LOST:
            answered: Frame = found
            return answered
        return UnknownOutcomeError("no answer came: whether it was done is not known")

    async def _pause(self, backoff: Backoff, error: OrderflowError, deadline: float) -> None:
        wait_s = min(backoff.next_s(), max(0.0, deadline - time.monotonic()))
        if isinstance(error, RefusedError):
            # What is too much for one question is too much for the next.
            self._not_before = max(self._not_before, time.monotonic() + wait_s)
        await pause(wait_s, self._closed)

    async def _run(self) -> None:
        backoff = Backoff(most_s=self._limits.reconnect_most_s)
        while not self._closed.is_set():
            asked_s: float | None = None
            try:
                await self._one_connection(backoff)
            except InvalidStatus as refused:
                error = _refusal(refused)
                if (
                    isinstance(error, RefusedError)
                    and not passes(error)
                    and refused.response.status_code < 500
                ):
                    self._failure = error
                    self._connected.set()
                    self._on_failed(error)
                    return
                self._fault = error
                asked_s = error.retry_after_s if isinstance(error, RefusedError) else None
            except WithinTokenError as error:
                self._failure = error
                self._connected.set()
                self._on_failed(error)
                return
            except Exception as fault:  # noqa: BLE001  # nothing is above it: calls tell of it as their cause
                self._fault = fault
            finally:
                self._lost()
            await asyncio.sleep(backoff.next_s(asked_s))

    async def _one_connection(self, backoff: Backoff) -> None:
        headers = await self._credentials.headers(self._limits.time_limit_s)
        connection = _Straight(
            self._addresses.websocket,
            additional_headers=headers,
            proxy=None if self._addresses.is_local else True,
            open_timeout=self._limits.open_s,
            close_timeout=2,
            max_size=_RECEIVED_BYTES_MAX,
            max_queue=self._limits.frames_max,
        )
        async with connection as socket:
            self._socket = socket
            self._fault = None
            self._connected.set()
            self._greeting = asyncio.create_task(self._greet(), name="orderflow resume")
            opened_at = time.monotonic()
            while (left_s := opened_at + self._limits.connection_s - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(min(left_s, self._limits.idle_s)):
                        received = await socket.recv()
                except TimeoutError:
                    # Protocol pings say that the peer is there; only messages keep API Gateway from closing.
                    await socket.send('{"action":"ping"}')
                    continue
                backoff.reset()
                self._heard_at = time.monotonic()
                self._take(received)
            # The two hours that API Gateway allows are nearly over: better now than in mid-flight.
            self._connected.clear()
            await self._drained()

    async def _drained(self) -> None:
        """Let questions that are under way be answered before a connection is renewed."""
        socket = self._socket
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.answer_s):
                while socket is not None and not all(each.done() for each in self._answers.values()):
                    self._take(await socket.recv())

    async def _greet(self) -> None:
        # What cannot be asked for now is asked for at the next connection, or by its caller.
        with suppress(OrderflowError):
            await self._on_connected()

    def _lost(self) -> None:
        self._socket = None
        if self._failure is None and not self._closed.is_set():
            self._connected.clear()
        if self._greeting is not None:
            self._greeting.cancel()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_result(_LOST)

    def _take(self, received: str | bytes) -> None:
        try:
            frame = json.loads(received, parse_float=Decimal)
        except (ValueError, RecursionError):
            return
        if not isinstance(frame, dict):
            return
        frames = frame.get("frames") if frame.get("type") == "batch" else [frame]
        for each in frames if isinstance(frames, list) else []:
            if not isinstance(each, dict):
                continue
            mark = each.get("requestId")
            if isinstance(mark, str) and mark in self._answers:
                self.answer(mark, each)
            else:
                self._on_frame(each)


def _refusal(refused: InvalidStatus) -> OrderflowError:
    response = refused.response
    try:
        body = json.loads(response.body or b"")
    except (ValueError, RecursionError):
        body = {}
    return error_from(
        body if isinstance(body, dict) else {}, status=response.status_code, headers=response.headers
    )


class _Straight(connect):
    """Opens a connection at the address that was given, and follows none elsewhere: as over REST.

    websockets would, and its versions 15 and 16 with the token.
    """

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc
