"""The mapping of a stream, against a stream in memory."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

import pytest

from chalice_offline.event_source import stream as stream_module
from chalice_offline.event_source.gathering import Record
from chalice_offline.event_source.stream import PositionGoneError, StreamMapping
from chalice_offline.invocation import ANY_CALLER, Caller, Outcome, Raised, Returned
from chalice_offline.logs import Log
from chalice_offline.project.functions import StreamTrigger
from tests.fakes.functions import FakeHost

OK = Returned(None)


class FakeStream:
    """Shards are lists of texts; an iterator is ``shard:place``, and good until ``forgets`` is set.

    Attributes:
        fails_with: What it answers instead of its shards.
        hangs_up: How many reads have no answer.
        hangs_up_at: The shard of which no read has one.
        trimmed: How many records of each shard can be asked for no longer.
        parents: The shards that others were made of.
        reads, asked_for: How many reads there were, and how many records the last one asked for.
    """

    def __init__(self, **shards: list[str]) -> None:
        self.by_shard = shards
        self.closed: set[str] = set()
        self.parents: dict[str, list[str]] = {}
        self.forgets = False
        self.fails_with: Exception | None = None
        self.hangs_up = 0
        self.hangs_up_at = ""
        self.trimmed = 0
        self.reads = 0
        self.asked_for = 0

    def shards(self) -> dict[str, list[str]]:
        if self.fails_with is not None:
            raise self.fails_with
        return {shard: self.parents.get(shard, []) for shard in self.by_shard}

    def begin(self, shard: str, *, after: str | None) -> str:
        self.forgets = False
        if after is not None and int(after) < self.trimmed:
            raise PositionGoneError(after)
        place = self.trimmed if after is None else int(after) + 1
        return f"{shard}:{place}"

    def read(self, iterator: str, count_max: int) -> tuple[list[Record], str | None]:
        self.reads, self.asked_for = self.reads + 1, count_max
        if self.forgets:
            raise PositionGoneError("unknown iterator")
        if self.hangs_up:
            self.hangs_up -= 1
            raise ConnectionResetError("no answer")
        shard, _, at = iterator.partition(":")
        if shard == self.hangs_up_at:
            raise ConnectionResetError("no answer")
        place = int(at)
        texts = self.by_shard[shard][place : place + count_max]
        records = [Record(str(place + index), {"text": text}) for index, text in enumerate(texts)]
        has_ended = shard in self.closed and place + len(texts) == len(self.by_shard[shard])
        return records, None if has_ended else f"{shard}:{place + len(texts)}"


class FakeFunctions(FakeHost):
    """Answers with the outcomes given, then well; keeps the texts of each batch."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__()
        self._outcomes = list(outcomes)
        self.batches: list[list[str]] = []

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        assert function_name == "count"
        assert timeout_s is None
        assert caller is ANY_CALLER
        self.batches.append([record["text"] for record in event["Records"]])
        return self._outcomes.pop(0) if self._outcomes else OK


class FakePositions:
    """``Positions`` in memory."""

    def __init__(self) -> None:
        self.by_shard: dict[str, str] = {}

    def last(self, shard: str) -> str | None:
        return self.by_shard.get(shard)

    def reached(self, shard: str, sequence: str) -> None:
        self.by_shard[shard] = sequence


def run(
    stream: FakeStream,
    functions: FakeFunctions,
    scenario: Callable[[StreamMapping], Awaitable[None]],
    *,
    batch_size: int = 10,
    window_s: int = 0,
    begins_at_end: bool = False,
    positions: FakePositions | None = None,
) -> str:
    positions = positions or FakePositions()
    output = io.StringIO()

    async def main() -> None:
        log = Log(output)
        trigger = StreamTrigger("count", "kinesis", "clicks", batch_size, window_s, begins_at_end)
        mapping = StreamMapping(trigger, stream, functions, log, positions)
        await mapping.look()
        mapping.start()
        try:
            await scenario(mapping)
        finally:
            await mapping.stop(timeout_s=1)
            log.close()

    asyncio.run(main())
    return output.getvalue()


def has(functions: FakeFunctions, *batches: list[str]) -> Callable[[StreamMapping], Awaitable[None]]:
    """Return a scenario that lasts until these batches have come."""

    async def scenario(mapping: StreamMapping) -> None:
        while functions.batches != list(batches):
            mapping.function_ended("another")
            await asyncio.sleep(0.005)

    return scenario


def test_records_come_in_order_in_batches_of_the_size_that_the_code_names() -> None:
    functions = FakeFunctions()
    run(FakeStream(a=["1", "2", "3"]), functions, has(functions, ["1", "2"], ["3"]), batch_size=2)


def test_batch_waits_for_its_window_unless_it_is_full_and_is_read_again_after_a_stop() -> None:
    stream, positions, functions = FakeStream(a=["1"]), FakePositions(), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        while stream.reads < 3:
            mapping.function_ended("another")
            await asyncio.sleep(0.005)
        assert functions.batches == []
        assert stream.asked_for == 1, "what is gathered leaves that much room"
        stream.by_shard["a"] += ["2", "3"]
        await has(functions, ["1", "2"])(mapping)

    run(stream, functions, scenario, batch_size=2, window_s=3_600, positions=positions)
    assert positions.by_shard == {"a": "1"}
    again = FakeFunctions()
    run(stream, again, has(again, ["3"]), positions=positions)


@pytest.mark.parametrize("window_s", [0, 3_600])
def test_stream_is_not_asked_again_and_again_while_nothing_comes_or_a_batch_waits(window_s: int) -> None:
    stream, functions = FakeStream(a=["1"]), FakeFunctions()

    async def scenario(_mapping: StreamMapping) -> None:
        began = monotonic()
        await asyncio.sleep(0.1)
        assert stream.reads <= 2 + (monotonic() - began), "once a second, unless a function has ended"

    run(stream, functions, scenario, window_s=window_s)


def test_batch_that_is_not_full_leaves_at_the_end_of_its_window() -> None:
    functions = FakeFunctions()
    run(FakeStream(a=["1"]), functions, has(functions, ["1"]), window_s=1)


def test_last_batch_of_a_shard_that_has_ended_does_not_wait() -> None:
    stream, functions = FakeStream(a=["1"]), FakeFunctions()
    stream.closed.add("a")
    run(stream, functions, has(functions, ["1"]), window_s=3_600)


def test_batch_that_failed_is_tried_again_before_what_is_behind_it() -> None:
    functions = FakeFunctions(Raised("ValueError", "not yet"))
    log = run(FakeStream(a=["1", "2"]), functions, has(functions, ["1"], ["1"], ["2"]), batch_size=1)
    assert "batch failed" in log
    assert "ValueError: not yet" in log


def test_trigger_that_begins_at_the_end_gets_what_is_written_from_then_on() -> None:
    stream, functions = FakeStream(a=["old"]), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        stream.by_shard["a"].append("new")
        await has(functions, ["new"])(mapping)

    run(stream, functions, scenario, begins_at_end=True)


def test_iterator_that_is_no_longer_good_is_replaced_behind_the_last_record() -> None:
    stream, functions = FakeStream(a=["1"]), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        await has(functions, ["1"])(mapping)
        stream.forgets = True
        stream.by_shard["a"].append("2")
        await has(functions, ["1"], ["2"])(mapping)

    run(stream, functions, scenario)


def test_records_behind_one_that_was_read_and_is_trimmed_are_read_from_the_first_that_is_left() -> None:
    stream, functions = FakeStream(a=["1"]), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        await has(functions, ["1"])(mapping)
        stream.trimmed, stream.forgets = 2, True
        stream.by_shard["a"] += ["2", "3"]
        await has(functions, ["1"], ["3"])(mapping)

    run(stream, functions, scenario)


@pytest.mark.parametrize("begins_at_end", [False, True])
def test_read_without_an_answer_loses_no_record(monkeypatch: pytest.MonkeyPatch, begins_at_end: bool) -> None:
    monkeypatch.setattr(stream_module, "_RETRY_S", 0.01)
    stream, functions = FakeStream(a=[]), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        stream.hangs_up = 2
        stream.by_shard["a"].append("1")
        await has(functions, ["1"])(mapping)

    log = run(stream, functions, scenario, begins_at_end=begins_at_end)
    assert "stream does not answer" in log
    assert "stream answers again" in log


def test_stream_that_is_not_there_yet_is_read_once_it_is() -> None:
    stream, functions = FakeStream(a=["1"]), FakeFunctions()
    stream.fails_with = LookupError("no table likes with a stream")

    async def scenario(mapping: StreamMapping) -> None:
        stream.fails_with = None
        await has(functions, ["1"])(mapping)

    log = run(stream, functions, scenario)
    assert log.count("no table likes with a stream") == 1
    assert "stream answers again" in log


def test_shard_that_has_ended_is_left_alone_and_others_go_on() -> None:
    stream, functions = FakeStream(a=["1"], b=[]), FakeFunctions()
    stream.closed.add("a")

    async def scenario(mapping: StreamMapping) -> None:
        await has(functions, ["1"])(mapping)
        stream.by_shard["b"].append("2")
        await has(functions, ["1"], ["2"])(mapping)

    assert "does not answer" not in run(stream, functions, scenario)


@pytest.fixture
def no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_RETRY_S", 3_600.0)
    monkeypatch.setattr(stream_module, "_RETRY_MAX_S", 3_600.0)


@pytest.mark.usefixtures("no_retry")
def test_stop_does_not_wait_for_the_next_try_of_a_batch() -> None:
    functions = FakeFunctions(Raised("ValueError", "bad"))

    async def scenario(mapping: StreamMapping) -> None:
        await has(functions, ["1"])(mapping)
        await mapping.stop(timeout_s=3_600)

    run(FakeStream(a=["1"]), functions, scenario)


@pytest.mark.parametrize("begins_at_end", [False, True])
def test_mapping_that_is_started_again_goes_on_behind_what_was_dealt_with(begins_at_end: bool) -> None:
    stream, positions, functions = FakeStream(a=["1"]), FakePositions(), FakeFunctions()
    run(stream, functions, has(functions, ["1"]), positions=positions)
    assert positions.by_shard == {"a": "0"}
    stream.by_shard["a"] += ["2"]  # while nothing reads

    again = FakeFunctions()
    run(stream, again, has(again, ["2"]), positions=positions, begins_at_end=begins_at_end)
    assert positions.by_shard == {"a": "1"}


@pytest.mark.usefixtures("no_retry")
def test_batch_that_was_not_dealt_with_before_the_stop_comes_again_after_it() -> None:
    stream, positions = FakeStream(a=["1", "2"]), FakePositions()
    failing = FakeFunctions(OK, Raised("ValueError", "bad"))
    run(stream, failing, has(failing, ["1"], ["2"]), positions=positions, batch_size=1)

    again = FakeFunctions()
    run(stream, again, has(again, ["2"]), positions=positions, begins_at_end=True)


@pytest.mark.usefixtures("no_retry")
@pytest.mark.parametrize("old", [[], ["old"]])
def test_records_of_a_first_batch_that_never_succeeded_come_again_to_a_trigger_that_begins_at_the_end(
    old: list[str],
) -> None:
    stream, positions, failing = FakeStream(a=[*old]), FakePositions(), FakeFunctions(Raised("E", "bad"))

    async def scenario(mapping: StreamMapping) -> None:
        stream.by_shard["a"].append("1")
        await has(failing, ["1"])(mapping)

    run(stream, failing, scenario, begins_at_end=True, positions=positions)
    stream.by_shard["a"].append("2")  # while nothing reads
    again = FakeFunctions()
    run(stream, again, has(again, ["1", "2"]), begins_at_end=True, positions=positions)


def test_end_at_which_a_trigger_begins_is_that_of_the_first_start_however_far_it_is() -> None:
    stream, positions = FakeStream(a=[f"{number}" for number in range(2_500)], b=[]), FakePositions()

    async def nothing(_mapping: StreamMapping) -> None: ...

    run(stream, FakeFunctions(), nothing, begins_at_end=True, positions=positions)
    assert positions.by_shard == {"a": "2499", "b": ""}
    stream.by_shard["a"].append("new")
    again = FakeFunctions()
    run(stream, again, has(again, ["new"]), begins_at_end=True, positions=positions)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_shard_that_comes_later_is_read_from_its_first_record(
    monkeypatch: pytest.MonkeyPatch, is_restarted: bool
) -> None:
    monkeypatch.setattr(stream_module, "_SHARDS_AGAIN_S", 0.01)
    stream, positions, functions = FakeStream(a=["old"]), FakePositions(), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        if not is_restarted:
            stream.by_shard["b"] = ["1"]
            await has(functions, ["1"])(mapping)

    run(stream, functions, scenario, begins_at_end=True, positions=positions)
    stream.by_shard.setdefault("b", ["1"])
    stream.by_shard["b"].append("2")
    again = FakeFunctions()
    wanted = ["1", "2"] if is_restarted else ["2"]
    run(stream, again, has(again, wanted), begins_at_end=True, positions=positions)


def test_no_shard_begins_until_the_ends_of_all_are_known() -> None:
    stream, functions, positions = FakeStream(a=["old"], b=["old"]), FakeFunctions(), FakePositions()
    stream.hangs_up_at = "b"

    async def scenario(mapping: StreamMapping) -> None:
        assert not positions.by_shard
        stream.by_shard["a"].append("later")
        stream.hangs_up_at = ""
        while positions.by_shard.keys() != {"a", "b"}:  # noqa: ASYNC110  # positions have no event
            await asyncio.sleep(0.005)
        stream.by_shard["a"].append("new")
        stream.by_shard["b"].append("new")
        await has(functions, ["new"], ["new"])(mapping)

    run(stream, functions, scenario, begins_at_end=True, positions=positions)


def test_position_that_the_stream_no_longer_knows_leads_to_all_that_is_left() -> None:
    stream, positions, functions = FakeStream(a=["new"]), FakePositions(), FakeFunctions()
    positions.reached("a", "-1")  # of a stream of that name that was before
    run(stream, functions, has(functions, ["new"]), positions=positions, begins_at_end=True)
