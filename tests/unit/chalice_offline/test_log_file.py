"""The log that an instance keeps, written and read."""

import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalice_offline.log_file import Entry, LogFile, LogReader, Printed

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def texts(entries: object) -> list[str]:
    return [entry.line for entry in entries]  # type: ignore[attr-defined]  # an iterable of entries


def test_entries_come_back_as_they_were_written(tmp_path: Path) -> None:
    entries = [Entry("price", "a\tb \udcff \x85", AT), Entry(None, "ready", AT), Entry("runtime", "", AT)]
    file = LogFile(tmp_path)
    file.append([Printed(source, [line], at) for source, line, at in entries])
    file.append([Printed("stock", ["one", "two"], AT)])
    file.close()
    with LogReader(tmp_path) as reader:
        assert list(reader.more()) == [
            entries[0]._replace(line="a\tb \\udcff \x85"),
            *entries[1:],
            Entry("stock", "one", AT),
            Entry("stock", "two", AT),
        ]
        assert list(reader.more()) == []


def test_reader_goes_on_where_it_was_also_when_the_file_becomes_the_older_one(tmp_path: Path) -> None:
    file = LogFile(tmp_path, bytes_max=1)
    with LogReader(tmp_path) as reader:
        assert not list(reader.more())
        file.append([Printed("f", ["1"], AT)])
        assert texts(reader.more()) == ["1"]
        file.append([Printed("f", ["2"], AT)])
        assert texts(reader.more()) == ["2"]
    with LogReader(tmp_path) as late:
        assert (texts(late.earlier()), texts(late.more())) == (["1"], ["2"])
    file.close()


def test_line_that_a_full_disk_cuts_off_leaves_the_next_one_whole(tmp_path: Path) -> None:
    file = LogFile(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        file.append([Printed("f", ["cut off"], AT)])
        with pytest.raises(OSError, match="too large"):
            file.append([Printed("f", ["refused"], AT)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    file.append([Printed("f", ["whole"], AT)])
    file.close()
    with LogReader(tmp_path) as reader:
        assert texts(reader.more()) == ["cut ", "whole"]


def test_size_is_bounded_by_two_files(tmp_path: Path) -> None:
    file = LogFile(tmp_path, bytes_max=1_000)
    for number in range(200):
        file.append([Printed("f", [f"line {number}"], AT)])
    file.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert all(path.stat().st_size < 1_100 for path in tmp_path.iterdir())
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_half_a_line_is_read_when_it_is_whole_and_what_is_no_entry_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"torn\n1767323045678\tf\tha")
    with LogReader(tmp_path) as reader:
        assert list(reader.more()) == []
        with path.open("ab") as file:
            file.write(b"lf\n")
        assert list(reader.more()) == [Entry("f", "half", AT)]
