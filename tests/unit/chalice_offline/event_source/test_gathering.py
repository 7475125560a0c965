"""When the batch of a shard leaves."""

from collections.abc import Iterable

import pytest

from chalice_offline.event_source.gathering import Gathering, Record
from chalice_offline.event_source.records import PAYLOAD_BYTES_MAX
from chalice_offline.json_text import encoded


def records(*texts: str) -> list[Record]:
    return [Record(text[:8], {"text": text}) for text in texts]


def sequences(taken: Iterable[Record]) -> list[str]:
    return [record.sequence for record in taken]


def test_batch_leaves_at_once_without_a_window() -> None:
    gathering = Gathering(size_max=10, window_s=0, now=100)
    assert gathering.take(100, is_last=False) == []
    gathering.add(records("1", "2"), now=100)
    assert sequences(gathering.take(100, is_last=False)) == ["1", "2"]
    assert gathering.take(101, is_last=False) == []


def test_batch_that_is_not_full_waits_for_the_end_of_its_window() -> None:
    gathering = Gathering(size_max=10, window_s=5, now=100)
    gathering.add(records("1"), now=101)
    assert (gathering.take(101, is_last=False), gathering.pause_s(101), gathering.room) == ([], 4, 9)
    gathering.add(records("2"), now=104)
    assert gathering.take(104.9, is_last=False) == []
    assert sequences(gathering.take(105, is_last=False)) == ["1", "2"]
    assert (gathering.pause_s(105), gathering.room) == (None, 10)


def test_full_batch_does_not_wait_and_what_is_behind_it_does() -> None:
    gathering = Gathering(size_max=2, window_s=5, now=100)
    gathering.add(records("1", "2", "3"), now=100)
    assert sequences(gathering.take(100, is_last=False)) == ["1", "2"]
    assert gathering.take(100, is_last=False) == []
    assert gathering.room == 1


def test_next_window_begins_when_the_function_has_dealt_with_a_batch() -> None:
    gathering = Gathering(size_max=2, window_s=5, now=100)
    gathering.add(records("1", "2", "3"), now=100)
    gathering.take(100, is_last=False)
    gathering.begin_window(132)
    assert (gathering.take(136, is_last=False), gathering.pause_s(136)) == ([], 1)
    assert sequences(gathering.take(137, is_last=False)) == ["3"]


@pytest.mark.parametrize(("comes_at", "leaves_at"), [(104, 105), (105, 110), (111, 115), (1_099, 1_100)])
def test_window_in_which_nothing_came_is_followed_by_the_next(comes_at: float, leaves_at: float) -> None:
    gathering = Gathering(size_max=2, window_s=5, now=100)
    gathering.add(records("1"), now=comes_at)
    assert gathering.pause_s(comes_at) == leaves_at - comes_at
    assert gathering.take(leaves_at - 0.5, is_last=False) == []
    assert sequences(gathering.take(leaves_at, is_last=False)) == ["1"]


def test_second_record_does_not_prolong_the_window() -> None:
    gathering = Gathering(size_max=3, window_s=5, now=100)
    gathering.add(records("1"), now=101)
    gathering.add(records("2"), now=107)
    assert (gathering.pause_s(107), sequences(gathering.take(107, is_last=False))) == (0, ["1", "2"])


def test_last_records_of_a_shard_wait_for_no_others() -> None:
    gathering = Gathering(size_max=10, window_s=5, now=100)
    gathering.add(records("1"), now=100)
    assert sequences(gathering.take(100, is_last=True)) == ["1"]
    assert gathering.take(100, is_last=True) == []


def test_event_has_as_many_bytes_as_lambda_takes_and_not_one_more() -> None:
    room = PAYLOAD_BYTES_MAX - len(encoded({"Records": [{"text": "1"}, {"text": ""}]}))
    for surplus in (0, 1):
        gathering = Gathering(size_max=10, window_s=5, now=100)
        gathering.add(records("1", "x" * (room + surplus), "2"), now=100)
        batch = gathering.take(100, is_last=False)
        assert sequences(batch) == (["1"] if surplus else ["1", "xxxxxxxx"])
        event = {"Records": [record.event for record in batch]}
        assert surplus or len(encoded(event)) == PAYLOAD_BYTES_MAX


def test_batch_that_fills_a_payload_exactly_does_not_wait() -> None:
    size = len(encoded({"Records": [{"text": "1"}, {"text": "2"}]}))
    gathering = Gathering(size_max=10, window_s=5, now=100, bytes_max=size)
    gathering.add(records("1"), now=100)
    assert gathering.take(100, is_last=False) == []
    gathering.add(records("2"), now=100)
    assert sequences(gathering.take(100, is_last=False)) == ["1", "2"]


def test_record_larger_than_a_payload_goes_alone() -> None:
    gathering = Gathering(size_max=10, window_s=0, now=100, bytes_max=50)
    gathering.add(records("x" * 100, "1", "2"), now=100)
    batches = [sequences(gathering.take(100, is_last=False)) for _ in range(3)]
    assert batches == [["xxxxxxxx"], ["1", "2"], []]
