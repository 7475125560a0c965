"""The event source mapping: moves batches from a queue to a function,
and deletes what the function finished.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chalice_offline.event_source.backlog import Backlog
from chalice_offline.event_source.batch_result import BatchResult, interpret
from chalice_offline.event_source.notices import AsEvent
from chalice_offline.event_source.pacing import Pacing
from chalice_offline.event_source.records import Message, batch_event, cut
from chalice_offline.event_source.sqs_client import RECEIVE_MAX, SqsError
from chalice_offline.invocation import Functions, Outcome, Raised, Returned, TimedOut
from chalice_offline.logs import Log
from chalice_offline.services.long_polls import Gather
from chalice_offline.supervision import fail, keep_going, spawn

# Short, so that the end of the runtime waits no longer for the answer
# (a message in it would be hidden otherwise).
LONG_POLL_S: Final = 1
_DEFAULT_CONCURRENCY: Final = 5
_RECEIVES: Final = "ApproximateReceiveCount"


class MappedQueue(Protocol):
    """What a mapping needs of SQS.

    Attributes:
        can_gather: A receive that waits is answered as soon as there is what it waits for, and knows
            ``gather``.
    """

    @property
    def can_gather(self) -> bool: ...
    async def queue_url(self, name: str) -> str: ...
    async def queue_arn(self, url: str) -> str: ...
    async def receive(
        self, url: str, *, count_max: int, wait_s: int, gather: Gather | None = None
    ) -> list[dict[str, Any]]: ...
    async def delete(self, url: str, receipt_handles: Sequence[str]) -> list[str]: ...
    async def release(self, url: str, receipt_handles: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """One mapping.

    Attributes:
        concurrency_max: Batches in flight at once; Lambda starts with five pollers.
        batching_window_s: While another batch is in flight, a batch that is not full waits so
            long for more messages. Unlike AWS, a batch leaves at once when none is in flight:
            a developer should not watch one message wait.
        gather_s: For each batch in flight the next receive waits so long, or until one of them ends, and
            twice as long if the queue hardly holds a full batch: few full batches cost less than many small
            ones, and many run at once only if each takes its time.
        linger_s: Clients that waited for a batch may send again at once: so long the next receive waits for
            as many messages as the batches in flight had, or, where the queue cannot, for as many invocations
            to end.
        reports_item_failures: ``FunctionResponseTypes: [ReportBatchItemFailures]``.
        as_event: What the function gets for a batch; a batch that it gets nothing for is finished.
        tries_max: After so many receives a message whose function failed is given up; None: that is the
            queue's business.
    """

    function_name: str
    queue_name: str
    batch_size: int = 10
    batching_window_s: float = 0.0
    concurrency_max: int = _DEFAULT_CONCURRENCY
    gather_s: float = 0.015
    linger_s: float = 0.008
    reports_item_failures: bool = False
    as_event: AsEvent = batch_event
    tries_max: int | None = None


class EventSourceMapping:
    """Polls while started. ``function_ended`` and ``nudge`` say that messages may have been sent just now."""

    def __init__(self, settings: MappingSettings, queue: MappedQueue, functions: Functions, log: Log) -> None:
        self._settings = settings
        self._queue = queue
        # Of a FIFO queue, which is MiniStack's own, the emulator hears nothing.
        self._can_gather = queue.can_gather and not settings.queue_name.endswith(".fifo")
        self._functions = functions
        self._log = log
        self._pacing = Pacing()
        self._hint = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.concurrency_max)
        # How many messages each batch in flight has.
        self._in_flight: dict[asyncio.Task[None], int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._backlog = Backlog()
        self._long_poll: asyncio.Task[None] | None = None
        self._poller: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._is_failing = False
        self._url = ""
        self._arn = ""

    def start(self) -> None:
        self._poller = keep_going(f"poll-{self._settings.queue_name}", self._poll)

    def function_ended(self, function_name: str) -> None:
        """Note that an invocation has ended, which may have sent a message."""
        if function_name != self._settings.function_name:
            self._backlog.another()
        self.nudge()

    def nudge(self) -> None:
        if self._can_gather and not self._in_flight:
            return  # A receive is open, or about to be, and the queue itself answers it.
        if self._pacing.hinted(asyncio.get_running_loop().time()):
            self._hint.set()

    async def stop(self, *, timeout_s: float) -> None:
        """Receive no more, let batches in flight finish for so long,
        and give back what was received too late.
        """
        self._is_stopping = True
        self._hint.set()
        if self._poller is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._poller, LONG_POLL_S + 0.5)
        if self._long_poll is not None:
            await asyncio.wait({self._long_poll}, timeout=LONG_POLL_S + 0.5)
            self._long_poll.cancel()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=timeout_s)
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _poll(self) -> None:
        while not self._is_stopping:
            await self._wait_for_slot()
            if self._can_gather and not self._in_flight:
                # The queue itself says when there is something.
                await asyncio.sleep(self._pacing.back_off_s(asyncio.get_running_loop().time()))
                await self._receive_once(wait_s=LONG_POLL_S)
            elif self._pacing.is_idle():
                await self._wait_long()
            else:
                gather = await self._wait_for_hint(self._pause_s())
                await self._receive_once(wait_s=0, gather=gather)

    async def _wait_for_slot(self) -> None:
        """Receive nothing that no concurrency is left for: its visibility timeout would run down unused."""
        while len(self._in_flight) >= self._settings.concurrency_max:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)

    def _pause_s(self) -> float:
        pause_s = self._pacing.pause_s(asyncio.get_running_loop().time())
        return max(pause_s, self._settings.gather_s * len(self._in_flight))

    async def _wait_for_hint(self, pause_s: float) -> Gather | None:
        """Wait; a hint cuts it short, but while batches are in flight,
        whose successors shall fill, only their end. Behind a full batch that nothing announced
        there is likely another one, which gains nothing from waiting.

        Returns for what the next receive is to wait, if the queue can do that better than this.
        """
        if pause_s <= 0 or self._backlog.has_unannounced:
            return None
        self._hint.clear()
        if self._in_flight:
            served = sum(self._in_flight.values())
            is_ended = await self._wait_for_end(pause_s)
            if not is_ended and not self._backlog.has(self._settings.batch_size):
                is_ended = await self._wait_for_end(pause_s)
            if is_ended:
                # Batches that overlap end one soon after the other: their senders may come together again.
                wanted = min(served, self._settings.batch_size)
                if self._can_gather:
                    return Gather(wanted, self._settings.linger_s)
                await self._backlog.wait_for(wanted, timeout_s=self._settings.linger_s)
            return None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hint.wait(), pause_s)
        return None

    async def _wait_for_end(self, timeout_s: float) -> bool:
        """Return once a batch in flight has ended, or after so long without."""
        ended, _ = await asyncio.wait(self._in_flight, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return bool(ended)

    async def _wait_long(self) -> None:
        """Keep one long poll open until it ends or a hint comes; the poll goes on beside the short ones."""
        if self._long_poll is None or self._long_poll.done():
            self._long_poll = spawn("long poll", self._receive_once(wait_s=LONG_POLL_S), self._tasks)
        self._hint.clear()
        hint = asyncio.create_task(self._hint.wait())
        await asyncio.wait({self._long_poll, hint}, return_when=asyncio.FIRST_COMPLETED)
        hint.cancel()
        delay_s = self._pacing.pause_s(asyncio.get_running_loop().time())
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    async def _receive_once(self, *, wait_s: int, gather: Gather | None = None) -> None:
        try:
            if not self._url:
                self._url = await self._queue.queue_url(self._settings.queue_name)
                self._arn = await self._queue.queue_arn(self._url)
            messages = await self._receive_batch(wait_s, gather)
        except (OSError, SqsError) as error:
            self._report_queue_failure(error)
            return
        except Exception as error:  # noqa: BLE001  # an answer that is none of SQS's must not end the polling
            fail(f"receiving from {self._settings.queue_name}", error)
            self._report_queue_failure(error)
            return
        if self._is_failing:
            self._is_failing = False
            self._log.event("info", "queue answers again", queue=self._settings.queue_name)
        if not messages:
            self._pacing.received_nothing()
            return
        self._pacing.received_messages()
        if self._is_stopping:
            await self._queue.release(self._url, [message["ReceiptHandle"] for message in messages])
            return
        for batch in cut(messages, size_max=self._settings.batch_size):
            self._dispatch(batch)

    async def _receive_batch(self, wait_s: int, gather: Gather | None) -> list[dict[str, Any]]:
        """Receive up to a batch: more than once only if the batch is larger than a receive,
        or worth waiting for.
        """
        size = self._settings.batch_size
        messages = await self._receive(size, wait_s, gather)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.batching_window_s
        while messages and len(messages) < size and not self._is_stopping:
            if len(messages) % RECEIVE_MAX != 0:
                if not self._in_flight or loop.time() >= deadline:
                    break
                await asyncio.sleep(min(self._settings.gather_s, max(0.0, deadline - loop.time())))
            more = await self._receive(size - len(messages), 0)
            messages += more
            if not more and not self._in_flight:
                break
        return messages

    async def _receive(
        self, count_max: int, wait_s: int, gather: Gather | None = None
    ) -> list[dict[str, Any]]:
        messages = await self._queue.receive(self._url, count_max=count_max, wait_s=wait_s, gather=gather)
        self._backlog.received(len(messages), is_all=len(messages) < min(count_max, RECEIVE_MAX))
        return messages

    def _report_queue_failure(self, error: Exception) -> None:
        self._pacing.failed(asyncio.get_running_loop().time())
        # A queue that was created anew, or a server that was restarted, may answer differently.
        self._url = ""
        if not self._is_failing and not self._is_stopping:
            self._is_failing = True
            self._log.event(
                "warning", "queue does not answer", queue=self._settings.queue_name, reason=str(error)
            )

    def _dispatch(self, batch: list[Message]) -> None:
        task = spawn("batch", self._process(batch), self._tasks)
        self._in_flight[task] = len(batch)
        task.add_done_callback(self._in_flight.pop)

    async def _process(self, batch: list[Message]) -> None:
        async with self._slots:
            event = self._settings.as_event(batch, self._arn)
            outcome: Outcome = Returned(None)
            if event is not None:
                outcome = await self._functions.invoke(self._settings.function_name, event)
            ids = [message["MessageId"] for message in batch]
            result = self._judge(outcome, ids)
            finished = {*result.succeeded, *self._given_up(batch)}
            handles = [message["ReceiptHandle"] for message in batch if message["MessageId"] in finished]
            try:
                problems = await self._queue.delete(self._url, handles)
            except (OSError, SqsError) as error:
                problems = [str(error)]
            for problem in problems:
                # Not lost: the message comes back, as it may on AWS.
                self._log.event(
                    "warning", "message not deleted", queue=self._settings.queue_name, reason=problem
                )
        self.nudge()

    def _given_up(self, batch: list[Message]) -> list[str]:
        """Return the messages that are not tried again if they have not succeeded now."""
        most = self._settings.tries_max
        if most is None:
            return []
        return [each["MessageId"] for each in batch if int(each["Attributes"][_RECEIVES]) >= most]

    def _judge(self, outcome: Outcome, ids: list[str]) -> BatchResult:
        now = asyncio.get_running_loop().time()
        match outcome:
            case Returned(payload):
                result = interpret(payload if self._settings.reports_item_failures else None, ids)
                problem = result.problem
            case Raised(error_type, error_message):
                result, problem = BatchResult((), tuple(ids)), f"{error_type}: {error_message}"
            case TimedOut(after_s):
                result, problem = BatchResult((), tuple(ids)), f"no result within {after_s:g} s"
        if isinstance(outcome, Returned):
            # Reported failures do not slow the poller down; function errors do.
            self._pacing.succeeded()
        else:
            self._pacing.failed(now)
        if problem is not None:
            function_name = self._settings.function_name
            self._log.event(
                "warning", "batch failed", function=function_name, messages=len(ids), reason=problem
            )
        return result
