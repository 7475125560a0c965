"""Which lines of the log are printed, and how."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalice_offline.log_file import LogFile, Printed
from chalice_offline.log_reading import NoLogError, Wanted, print_log
from chalice_offline.logs import Look

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKED = '{"message": "asked", "name": "tea"}'
MEASURED = '{"_aws": {}}'
LINES = [
    Printed(None, ["ready in 1.0 s"], AT),
    Printed("price", [ASKED], AT),
    Printed("stock", ["counted"], AT),
    Printed("price", [MEASURED], AT),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file = LogFile(tmp_path)
    file.append(LINES)
    file.close()
    return tmp_path


def printed(folder: Path, wanted: Wanted) -> list[str]:
    lines: list[str] = []
    print_log(folder, wanted, lines.append, follows=False)
    return lines


def test_all_lines_are_rendered_as_the_instance_printed_them(folder: Path) -> None:
    ready, asked, counted = printed(folder, Wanted())
    assert ready == "ready in 1.0 s"
    assert asked.endswith(" price asked name=tea")
    assert counted.endswith(" stock counted")


def test_lines_of_a_function_and_the_last_ones_can_be_asked_for(folder: Path) -> None:
    assert [line[9:] for line in printed(folder, Wanted(("stock",)))] == ["stock counted"]
    assert [line[9:] for line in printed(folder, Wanted(tail=1))] == ["stock counted"]
    assert printed(folder, Wanted(("price",), look=Look(is_raw=True))) == [ASKED, MEASURED]
    assert printed(folder, Wanted(tail=0)) == []


def test_follower_prints_what_comes(folder: Path) -> None:
    lines: list[str] = []
    file = LogFile(folder)
    pauses = iter(["late", "later"])

    def pause(_seconds: float) -> None:
        text = next(pauses, None)
        if text is None:
            raise KeyboardInterrupt
        file.append([Printed("price", [text], AT), Printed("stock", ["another's"], AT)])

    with pytest.raises(KeyboardInterrupt):
        print_log(folder, Wanted(("price",), tail=0), lines.append, follows=True, pause=pause)
    file.close()
    assert [line[9:] for line in lines] == ["price late", "price later"]


def test_place_where_no_instance_has_run_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoLogError, match="--state-dir"):
        printed(tmp_path, Wanted())
