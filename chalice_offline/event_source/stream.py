"""The event source mapping of a stream: hands the records of each shard to a function, in order.

As Lambda does (https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html): shards side by side, one
batch of a shard at a time, and a batch that failed again and again, ever later, before what comes behind it.
A shard that others were divided or merged into begins when those have been read to their ends.
Where it had got to outlasts the runtime; a batch that was still gathered is read again.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from chalice_offline.backoff import Doubling
from chalice_offline.event_source.gathering import Gathering, Record
from chalice_offline.event_source.positions import FIRST, Positions
from chalice_offline.invocation import Functions, Raised, Returned, TimedOut
from chalice_offline.logs import Log
from chalice_offline.project.functions import StreamTrigger
from chalice_offline.supervision import keep_going, spawn

# Lambda looks at each shard once a second.
POLL_S: Final = 1.0
# Shards come and go when a stream is divided.
_SHARDS_AGAIN_S: Final = 10.0
_RETRY_S: Final = 1.0
_RETRY_MAX_S: Final = 60.0
# That are read at once on the way to a shard's end.
_PAGE: Final = 1_000


class PositionGoneError(Exception):
    """The service no longer knows an iterator, which is good for minutes, or the record it is behind."""


class StreamReader(Protocol):
    """What a mapping needs of a stream. All methods block, and raise whatever the service's client does but
    for ``PositionGoneError``.
    """

    def shards(self) -> Mapping[str, Collection[str]]:
        """Return the shards that there are, and those that each was made of, which may be gone."""
        ...

    def begin(self, shard: str, *, after: str | None) -> str:
        """Return an iterator: behind a record, or at the beginning of what is there now."""
        ...

    def read(self, iterator: str, count_max: int) -> tuple[list[Record], str | None]:
        """Return the next records, and the iterator behind them; None if the shard has ended."""
        ...


class StreamMapping:
    """Reads while started; ``look`` notes beforehand where the stream ends now.

    A shard is read from behind what was dealt with before, and else from where the trigger begins: its first
    record, or, noted the first time, what was its end then.
    """

    def __init__(
        self,
        trigger: StreamTrigger,
        reader: StreamReader,
        functions: Functions,
        log: Log,
        positions: Positions,
    ) -> None:
        self._trigger = trigger
        self._positions = positions
        self._reader = reader
        self._functions = functions
        self._log = log
        self._shards: Mapping[str, Collection[str]] = {}
        self._iterators: dict[str, str] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._poller: asyncio.Task[None] | None = None
        self._ended: set[str] = set()
        self._has_one_ended = asyncio.Event()
        self._hint = asyncio.Event()
        self._is_stopping = False
        self._is_failing = False
        self._has_looked = False

    async def look(self) -> None:
        """Find the shards; of a trigger that begins at their end, and has none behind it, that is now."""
        try:
            await self._find_shards()
        except Exception as error:  # noqa: BLE001  # whatever the client raises: it is tried again
            self._report(error)

    def start(self) -> None:
        self._poller = keep_going(f"stream-{self._trigger.function_name}", self._follow_all)

    def function_ended(self, function_name: str) -> None:
        """Note that an invocation has ended, which may have written records."""
        if function_name != self._trigger.function_name:
            self._hint.set()

    async def stop(self, *, timeout_s: float) -> None:
        """Read no more, and let batches in flight finish for so long."""
        self._is_stopping = True
        self._hint.set()
        if self._poller is not None:
            self._poller.cancel()
        if self._followers:
            await asyncio.wait(self._followers.values(), timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow_all(self) -> None:
        while not self._is_stopping:
            try:
                await self._find_shards()
            except Exception as error:  # noqa: BLE001  # as above
                self._report(error)
            for shard in self._iterators.keys() - self._followers.keys():
                if not self._unread_before(shard):
                    self._followers[shard] = spawn("following a shard", self._follow(shard), self._tasks)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S if self._is_failing else _SHARDS_AGAIN_S):
                    await self._has_one_ended.wait()
            self._has_one_ended.clear()

    def _unread_before(self, shard: str) -> Collection[str]:
        """Return the shards ahead of one that are not read to their ends."""
        return (set(self._shards.get(shard, ())) & self._shards.keys()) - self._ended

    async def _find_shards(self) -> None:
        self._shards = shards = await asyncio.to_thread(self._reader.shards)
        found = [shard for shard in shards if shard not in self._iterators]
        if self._trigger.begins_at_end:
            await self._note_beginnings(found)
        for shard in found:
            self._iterators[shard] = await self._begin(shard, self._positions.last(shard))
        self._has_looked = True
        self._answers()

    async def _note_beginnings(self, shards: Sequence[str]) -> None:
        """Note where the shards of which nothing is known begin, for the next start: until a function has
        dealt with a batch, what is written from now on would be lost to it.
        """
        unknown = [shard for shard in shards if self._positions.last(shard) is None]
        # One that came later began with the first record that is not in another.
        came_later = self._has_looked or len(unknown) < len(shards)
        ends = {
            shard: FIRST if came_later else await asyncio.to_thread(_last_record, self._reader, shard)
            for shard in unknown
        }
        for shard, end in ends.items():
            self._positions.reached(shard, end)

    async def _follow(self, shard: str) -> None:
        iterator: str | None = self._iterators[shard]
        last = self._positions.last(shard)
        backoff = Doubling(_RETRY_S, _RETRY_MAX_S)
        now = asyncio.get_running_loop().time
        trigger = self._trigger
        gathering = Gathering(size_max=trigger.batch_size, window_s=trigger.batching_window_s, now=now())
        while iterator is not None and not self._is_stopping:
            try:
                records, following = await self._read(shard, iterator, last, gathering.room)
            except Exception as error:  # noqa: BLE001  # as above
                if shard in self._shards:
                    self._report(error)
                    await self._wait(backoff.take(), heeds_hints=False)
                    continue
                records, following = [], None  # it is gone, and what was left in it
            else:
                self._answers()
                backoff.reset()
            if records:
                last = records[-1].sequence
                gathering.add(records, now())
            iterator = following
            while batch := gathering.take(now(), is_last=iterator is None):
                if await self._is_delivered(batch):
                    self._positions.reached(shard, batch[-1].sequence)
                gathering.begin_window(now())
            pause_s = gathering.pause_s(now())
            if iterator is not None and (not records or pause_s is not None):
                await self._wait(POLL_S if pause_s is None else min(POLL_S, pause_s))
        if not self._is_stopping:
            self._ended.add(shard)
            self._has_one_ended.set()

    async def _read(
        self, shard: str, iterator: str, last: str | None, count_max: int
    ) -> tuple[list[Record], str | None]:
        """Return what the reader does; an iterator that is gone is replaced by one behind what was read."""
        try:
            return await asyncio.to_thread(self._reader.read, iterator, count_max)
        except PositionGoneError:
            again = await self._begin(shard, last)
        return await asyncio.to_thread(self._reader.read, again, count_max)

    async def _begin(self, shard: str, last: str | None) -> str:
        try:
            return await asyncio.to_thread(self._reader.begin, shard, after=last or None)
        except PositionGoneError:
            # Too old, or the stream was made anew: all that is left is behind it.
            return await asyncio.to_thread(self._reader.begin, shard, after=None)

    async def _is_delivered(self, records: Sequence[Record]) -> bool:
        """Return True once a function has dealt with the records, False if the mapping stops before that."""
        backoff = Doubling(_RETRY_S, _RETRY_MAX_S)
        event = {"Records": [record.event for record in records]}
        while not self._is_stopping:
            match await self._functions.invoke(self._trigger.function_name, event):
                case Returned():
                    return True
                case Raised(error_type, error_message):
                    problem = f"{error_type}: {error_message}"
                case TimedOut(after_s):
                    problem = f"no result within {after_s:g} s"
            facts = {"function": self._trigger.function_name, "messages": len(records), "reason": problem}
            self._log.event("warning", "batch failed", **facts)
            await self._wait(backoff.take(), heeds_hints=False)
        return False

    async def _wait(self, most_s: float, *, heeds_hints: bool = True) -> None:
        """Wait, until the mapping stops at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while not self._is_stopping:
                    self._hint.clear()
                    await self._hint.wait()
                    if heeds_hints:
                        return

    def _report(self, error: Exception) -> None:
        if not self._is_failing and not self._is_stopping:
            self._is_failing = True
            self._log.event(
                "warning", "stream does not answer", stream=self._trigger.stream, reason=str(error)
            )

    def _answers(self) -> None:
        if self._is_failing:
            self._is_failing = False
            self._log.event("info", "stream answers again", stream=self._trigger.stream)


def _last_record(reader: StreamReader, shard: str) -> str:
    """Return the sequence number of the last record that is there now; ``FIRST`` if there is none. Blocks."""
    last, iterator = FIRST, reader.begin(shard, after=None)
    while True:
        records, following = reader.read(iterator, _PAGE)
        if records:
            last = records[-1].sequence
        if not records or following is None:
            return last
        iterator = following
