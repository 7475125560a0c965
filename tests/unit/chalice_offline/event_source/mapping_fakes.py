"""A queue and functions for an event source mapping, in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from chalice_offline.invocation import ANY_CALLER, Caller, Outcome
from chalice_offline.services.long_polls import Gather
from tests.fakes.functions import FakeHost


class FakeQueue:
    """Messages by id; received ones stay hidden for good,
    so that whatever is not deleted was left to its timeout.
    """

    can_gather = False

    def __init__(self) -> None:
        self.waiting: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.released: list[str] = []
        self.delete_calls = 0
        self.waits: list[int] = []  # of the receives that got something
        self.fails_with: Exception | None = None
        self.is_polled = False  # a long poll waits
        self.arrival = asyncio.Event()

    def put(self, *ids: str) -> None:
        self.waiting += [{"MessageId": i, "ReceiptHandle": f"r-{i}", "Body": i, "MD5OfBody": ""} for i in ids]
        self.arrival.set()

    async def queue_url(self, name: str) -> str:
        if self.fails_with is not None:
            raise self.fails_with
        return f"http://queue/{name}"

    async def queue_arn(self, url: str) -> str:
        return f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}"

    async def receive(
        self, url: str, *, count_max: int, wait_s: int, gather: Gather | None = None
    ) -> list[dict[str, Any]]:
        assert url.startswith("http://queue/orders")
        if gather is not None:
            await self._gather(gather)
        if not self.waiting and wait_s:
            self.arrival.clear()
            self.is_polled = True
            try:
                await asyncio.wait_for(self.arrival.wait(), wait_s)
            except TimeoutError:
                return []
            finally:
                self.is_polled = False
        if self.waiting:
            self.waits.append(wait_s)
        taken, self.waiting = self.waiting[: min(count_max, 10)], self.waiting[min(count_max, 10) :]
        return taken

    async def _gather(self, gather: Gather) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(gather.seconds):
                while len(self.waiting) < gather.messages:
                    self.arrival.clear()
                    await self.arrival.wait()

    async def delete(self, _url: str, receipt_handles: Sequence[str]) -> list[str]:
        self.delete_calls += 1
        self.deleted += [handle.removeprefix("r-") for handle in receipt_handles]
        return []

    async def release(self, _url: str, receipt_handles: Sequence[str]) -> None:
        self.released += [handle.removeprefix("r-") for handle in receipt_handles]


class FakeFunctions(FakeHost):
    """Answers each batch with the next outcome given, the last one for ever; remembers what it was asked."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__()
        self._outcomes = list(outcomes)
        self.batches: list[list[str]] = []
        self.finished = 0
        self.overlap_max = 0
        self._running = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        assert function_name == "execute"
        assert timeout_s is None
        assert caller is ANY_CALLER
        self.batches.append([record["messageId"] for record in event["Records"]])
        self._running += 1
        self.overlap_max = max(self.overlap_max, self._running)
        await self.gate.wait()
        self._running -= 1
        self.finished += 1
        return self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
