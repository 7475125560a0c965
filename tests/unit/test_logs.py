"""Our lines are Powertools' lines, made with less, and saying less where no action is needed."""

import io
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.logs import SERVICE, LineFormatter, info_each, logger


def a_record(
    message: str = "order event", *args: object, level: int = logging.WARNING, **extra: object
) -> logging.LogRecord:
    told = {"levelname": logging.getLevelName(level), "levelno": level, "msg": message, "args": args}
    return logging.makeLogRecord({"name": SERVICE, **told, **extra})


def an_error() -> logging.LogRecord:
    with pytest.raises(ValueError, match="broken") as failed:
        int("broken")
    return a_record("not done", exc_info=(failed.type, failed.value, failed.tb))


RECORDS = [
    a_record(),
    a_record(order_id=UUID(int=1), seq=3, correlation_id=None, pair="SOL->USDC", reason='é "quoted"\n'),
    a_record("connections gone", connection_id=["a=", "b="]),
    a_record("queue %s", "down"),
    an_error(),
]


def formatters(**keys: Any) -> list[LambdaPowertoolsFormatter]:
    """Return our formatter and Powertools', made with the same keys."""
    both = [LineFormatter(), LambdaPowertoolsFormatter(location=None)]
    for each in both:
        each.append_keys(location=None, service=SERVICE, **keys)
    return both


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("keys", [{}, {"correlation_id": "c1", "stage": None}])
@pytest.mark.parametrize("trace_id", ["", "Root=1-abc;Parent=2"])
def test_line_that_somebody_has_to_act_on_has_all_that_powertools_says(
    record: logging.LogRecord, keys: dict[str, Any], trace_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace_id)
    ours, theirs = formatters(**keys)
    assert untimed(ours.format(record)) == untimed(theirs.format(record))


def test_line_for_the_record_leaves_out_what_its_log_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-abc;Parent=2")
    ours, _ = formatters(correlation_id="c1")
    line = ours.format(a_record("swept", level=logging.INFO, resumed=3))
    assert untimed(line) == {"level": "INFO", "message": "swept", "correlation_id": "c1", "resumed": 3}


@pytest.mark.parametrize("record", [a_record(), an_error()], ids=["fact", "traceback"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_time_is_utc_in_the_form_that_lambda_reads(
    record: logging.LogRecord, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    ours, _ = formatters()
    for created, text in [(0.25, "1970-01-01T00:00:00.250Z"), (1e9 + 0.007, "2001-09-09T01:46:40.007Z")]:
        record.created, record.msecs = created, round(created % 1 * 1000)
        assert json.loads(ours.format(record))["timestamp"] == text
    monkeypatch.undo()
    time.tzset()


def test_lines_of_one_moment_are_those_that_single_calls_would_write(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts: list[dict[str, Any]] = [
        {"order_id": "a", "seq": 1, "correlation_id": None},
        {"order_id": "b", "txSignature": "5x"},
    ]
    single = logging.StreamHandler(singles := io.StringIO())
    logging.getLogger(SERVICE).addHandler(single)
    single.setFormatter(logger.registered_formatter)
    for each in facts:
        logger.info("order event", **each)
    logging.getLogger(SERVICE).removeHandler(single)
    capsys.readouterr()
    info_each("order event", facts)
    assert [untimed(line) for line in capsys.readouterr().out.splitlines()] == [
        untimed(line) for line in singles.getvalue().splitlines()
    ]


def test_line_with_half_a_character_can_be_written_all_the_same() -> None:
    ours, _ = formatters()
    line = ours.format(a_record("refused", reason="\ud83d"))
    assert json.loads(line.encode())["reason"] == "\ud83d"


def test_line_of_an_error_with_half_a_character_can_be_written_all_the_same() -> None:
    ours, _ = formatters()
    record = a_record("defect")
    error = ValueError("what a node says: \ud83d")
    record.exc_info = type(error), error, None
    assert "what a node says" in json.loads(ours.format(record).encode())["exception"]


def test_several_lines_with_half_a_character_are_written_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    info_each("order event", [{"reason": "\ud83d"}])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["reason"] == "\ud83d"


def test_nothing_is_written_where_such_lines_are_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    level = logger.log_level
    logger.setLevel("WARNING")
    info_each("order event", [{"seq": 1}])
    logger.setLevel(level)
    info_each("order event", [])
    assert capsys.readouterr().out == ""


def test_nothing_is_written_where_logging_is_disabled(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        info_each("order event", [{"seq": 1}])
    finally:
        logging.disable(before)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("ours", "level"), [("WARNING", logging.WARNING), ("INFO", logging.INFO), ("", logging.INFO)]
)
def test_our_level_counts_although_lambda_lets_everything_through(ours: str, level: int) -> None:
    # Lambda has to let INFO through for the metrics, which have no level of their own.
    told = {"POWERTOOLS_LOG_LEVEL": ours} if ours else {}
    shown = subprocess.run(
        [sys.executable, "-c", "from chalicelib.logs import logger; print(logger.log_level)"],
        env={"AWS_LAMBDA_LOG_LEVEL": "INFO", **told},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(shown.stdout) == level


def untimed(line: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(line).items() if key != "timestamp"}
