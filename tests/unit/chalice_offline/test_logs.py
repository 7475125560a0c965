"""Readable log lines."""

import io
import json
import re
from datetime import UTC, datetime

import pytest

from chalice_offline.log_file import Printed
from chalice_offline.logs import Log, Look
from chalice_offline.sentences import Sentences

NOW = datetime(2026, 11, 21, 10, 30, 20, tzinfo=UTC)
CLOCK = NOW.astimezone().strftime("%H:%M:%S")


def readable(source: str, line: str, look: Look = Look()) -> str:  # noqa: B008  # it cannot be changed
    [text] = look.shown(Printed(source, [line], NOW))
    return text


def test_powertools_line_becomes_message_and_facts() -> None:
    line = json.dumps(
        {
            "level": "INFO",
            "location": "execute:12",
            "message": "order confirmed",
            "timestamp": "2026",
            "service": "orders",
            "order_id": "o1",
            "attempt": 2,
            "reason": "two words",
            "legs": ["a"],
        }
    )
    expected = f'{CLOCK} execute order confirmed order_id=o1 attempt=2 reason="two words" legs=["a"]'
    assert readable("execute", line) == expected


def test_level_shows_unless_it_is_info_and_colours_only_when_asked() -> None:
    line = json.dumps({"level": "ERROR", "message": "broken"})
    assert readable("f", line) == f"{CLOCK} f ERROR broken"
    assert readable("f", line, Look(is_coloured=True)) == f"\x1b[31m{CLOCK} f ERROR broken\x1b[0m"


@pytest.mark.parametrize("control", ["\x1b[31m", "\x9b31m", "\u202e", "\u2028", "\n"])
@pytest.mark.parametrize("value", ["{}", "{} is no field", ["{}"]], ids=["word", "sentence", "list"])
def test_value_that_a_terminal_would_obey_is_shown_escaped(control: str, value: str | list[str]) -> None:
    sent = [control] if isinstance(value, list) else value.format(control)
    shown = readable("f", json.dumps({"level": "INFO", "message": "refused", "reason": sent}))
    assert shown is not None
    assert shown.isprintable()
    assert json.loads(shown.partition("reason=")[2]) == sent


def test_sentence_shows_escaped_what_a_terminal_would_obey() -> None:
    look = Look(sentences=Sentences({"parcel sent": "{to} über {carrier}"}))
    line = json.dumps({"message": "parcel sent", "to": "a\x9b31m\nb", "carrier": "post"})
    assert readable("f", line, look) == f"{CLOCK} a\\u009b31m\\nb über post"


def test_exception_text_follows_on_its_own_lines() -> None:
    line = json.dumps(
        {"level": "ERROR", "message": "broken", "exception": "Traceback\n  boom", "order_id": "o"}
    )
    assert readable("f", line) == f"{CLOCK} f ERROR broken order_id=o\nTraceback\n  boom"


def test_lines_that_are_not_log_entries_pass_through() -> None:
    for line in ("hello", "{broken", '{"x": 1}', "[1]"):
        assert readable("f", line) == f"{CLOCK} f {line}"


def test_embedded_metrics_are_not_shown() -> None:
    lines = ["before", json.dumps({"_aws": {}, "Orders": 1}), "behind"]
    assert Look().shown(Printed("f", lines, NOW)) == [f"{CLOCK} f before", f"{CLOCK} f behind"]


def test_log_writes_what_it_was_given_in_order_before_it_closes() -> None:
    stream = io.StringIO()
    log = Log(stream, is_raw=False, is_verbose=False)
    log.say("ready")
    log.function_lines("f", ["printed"])
    log.event("debug", "not shown")
    log.event("warning", "died", pid=3)
    log.close()
    first, second, third = stream.getvalue().splitlines()
    assert first == "ready"
    assert re.fullmatch(r"\d\d:\d\d:\d\d f printed", second)
    assert re.fullmatch(r"\d\d:\d\d:\d\d runtime WARNING died pid=3", third)


def test_raw_log_leaves_function_lines_alone() -> None:
    stream = io.StringIO()
    log = Log(stream, is_raw=True)
    log.function_lines("f", ['{"message":"x"}'])
    log.close()
    assert stream.getvalue() == '{"message":"x"}\n'


class ClosedStream(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_reader_that_went_away_stops_nothing() -> None:
    log = Log(ClosedStream())
    for _ in range(3):
        log.say("line")
    log.close()


def test_line_that_is_nested_beyond_reason_passes_through() -> None:
    line = '{"message":' * 100_000
    assert readable("f", line) == f"{CLOCK} f {line}"


def test_no_line_ends_the_log() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    log = Log(stream)
    deep = "[" * 900 + "]" * 900
    for line in (
        '{"message": "\\ud800"}',
        '{"message": "m", "x": ' + deep + "}",
        '{"message": {"a": 1e999}}',
        "ü \ud800",
    ):
        log.function_lines("f", [line])
    log.function_lines("f", ["last"])
    log.close()
    stream.flush()
    assert raw.getvalue().decode().splitlines()[-1].endswith("f last")
    assert "\\ud800" in raw.getvalue().decode()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("[INFO]\t2026-11-28T00:36:33.044Z\t7c9e-1\tprice 7\tx", "price 7\tx"),
        ("[WARNING]\t2026-11-28T00:36:33.044Z\t\tat import", "WARNING at import"),
        ("[ERROR] ValueError: bad order", "[ERROR] ValueError: bad order"),
    ],
)
def test_line_of_lambdas_root_logger_is_shown_as_other_entries(line: str, shown: str) -> None:
    assert readable("f", line) == f"{CLOCK} f {shown}"
