"""A stream that is divided while it is read: no record comes ahead of one that was written before it."""

import asyncio

import pytest

from chalice_offline.event_source import stream as stream_module
from chalice_offline.event_source.gathering import Record
from chalice_offline.event_source.stream import StreamMapping
from chalice_offline.invocation import Raised
from tests.unit.chalice_offline.event_source.test_stream import (
    FakeFunctions,
    FakePositions,
    FakeStream,
    has,
    run,
)


def divided(**shards: list[str]) -> FakeStream:
    """Return a stream whose shard ``a`` was divided into ``b`` and ``c``, and those merged into ``d``."""
    stream = FakeStream(**shards)
    stream.parents = {"b": ["a"], "c": ["a"], "d": ["b", "c"]}
    return stream


def test_shards_that_one_was_divided_into_begin_at_its_end_and_one_of_several_at_the_ends_of_all() -> None:
    stream, functions = divided(a=["1"], b=["2"], c=[], d=["4"]), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        await has(functions, ["1"])(mapping)
        stream.by_shard["a"].append("1b")
        await has(functions, ["1"], ["1b"])(mapping)
        stream.closed |= {"a", "b"}
        await has(functions, ["1"], ["1b"], ["2"])(mapping)
        stream.by_shard["c"].append("3")
        await has(functions, ["1"], ["1b"], ["2"], ["3"])(mapping)
        stream.closed.add("c")
        await has(functions, ["1"], ["1b"], ["2"], ["3"], ["4"])(mapping)

    run(stream, functions, scenario)


def test_batch_that_fails_at_the_end_of_a_shard_holds_up_those_it_was_divided_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "_RETRY_S", 0.01)
    stream, functions = divided(a=["1"], b=["2"]), FakeFunctions(*[Raised("E", "bad")] * 3)
    stream.closed.add("a")
    run(stream, functions, has(functions, ["1"], ["1"], ["1"], ["1"], ["2"]))


def test_shard_goes_on_after_a_restart_although_the_one_that_it_was_made_of_is_over_or_gone() -> None:
    stream, positions, functions = divided(a=["1"], b=["2"]), FakePositions(), FakeFunctions()
    stream.closed.add("a")
    run(stream, functions, has(functions, ["1"], ["2"]), positions=positions)
    stream.by_shard["b"].append("2b")
    again = FakeFunctions()
    run(stream, again, has(again, ["2b"]), positions=positions)
    del stream.by_shard["a"]
    stream.by_shard["b"].append("2c")
    last = FakeFunctions()
    run(stream, last, has(last, ["2c"]), positions=positions)


class Noting(FakeStream):
    """A stream that notes which shards are read."""

    def __init__(self, **shards: list[str]) -> None:
        super().__init__(**shards)
        self.read_of: list[str] = []

    def read(self, iterator: str, count_max: int) -> tuple[list[Record], str | None]:
        self.read_of.append(iterator.partition(":")[0])
        return super().read(iterator, count_max)


def test_shard_that_goes_while_it_is_read_is_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator drops a shard that is divided, with what was left in it."""
    for name in ("_RETRY_S", "_RETRY_MAX_S", "_SHARDS_AGAIN_S"):
        monkeypatch.setattr(stream_module, name, 0.01)
    stream, functions = Noting(a=["1"]), FakeFunctions()

    async def scenario(mapping: StreamMapping) -> None:
        await has(functions, ["1"])(mapping)
        stream.by_shard = {"b": ["2"]}
        await has(functions, ["1"], ["2"])(mapping)
        before = len(stream.read_of)
        while stream.read_of[before:].count("b") < 50:
            mapping.function_ended("another")
            await asyncio.sleep(0.005)
        assert stream.read_of[before:].count("a") < 5

    run(stream, functions, scenario)
