"""How far streams were read, in a file."""

import io
from pathlib import Path

import pytest

from chalice_offline.event_source.positions import FIRST, PositionsFile
from chalice_offline.logs import Log
from chalice_offline.project.functions import StreamTrigger

CLICKS = StreamTrigger("count", "kinesis", "clicks", 10, 0, begins_at_end=True)
LIKES = StreamTrigger("count", "dynamodbstreams", "arn:likes", 10, 0, begins_at_end=True)


def test_position_is_its_mappings_and_shards_own_and_outlasts_the_process(tmp_path: Path, log: Log) -> None:
    path = tmp_path / "streams.json"
    PositionsFile(path, log).of(CLICKS).reached("a", "7")
    file = PositionsFile(path, log)
    file.of(LIKES).reached("a", "9")
    file.of(LIKES).reached("c", FIRST)
    again = PositionsFile(path, log)
    assert [again.of(trigger).last("a") for trigger in (CLICKS, LIKES)] == ["7", "9"]
    assert again.of(LIKES).last("c") == FIRST
    assert again.of(CLICKS).last("b") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"count kinesis clicks": 7}', '{"count kinesis clicks": {"a": 7}}']
)
def test_file_that_is_none_of_ours_says_nothing(tmp_path: Path, log: Log, text: str) -> None:
    path = tmp_path / "streams.json"
    path.write_text(text)
    assert PositionsFile(path, log).of(CLICKS).last("a") is None


def test_position_that_cannot_be_written_holds_until_the_end_and_is_told_once(tmp_path: Path) -> None:
    said = io.StringIO()
    log = Log(said)
    positions = PositionsFile(tmp_path / "gone" / "streams.json", log).of(CLICKS)
    positions.reached("a", "1")
    positions.reached("a", "2")
    log.close()
    assert positions.last("a") == "2"
    assert said.getvalue().count("is not kept") == 1
