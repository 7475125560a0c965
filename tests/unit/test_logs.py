"""Our lines are Powertools' lines, made with less."""

import io
import json
import logging
from typing import Any
from uuid import UUID

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.logs import SERVICE, LineFormatter, info_each, logger


def a_record(message: str = "order event", *args: object, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "orderflow", "levelname": "WARNING", "levelno": 30, "msg": message, "args": args, **extra}
    )


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


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("keys", [{}, {"correlation_id": "c1", "stage": None}])
@pytest.mark.parametrize("trace_id", ["", "Root=1-abc;Parent=2"])
def test_line_has_the_keys_of_powertools_in_their_order(
    record: logging.LogRecord, keys: dict[str, Any], trace_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace_id)
    ours, theirs = LineFormatter(), LambdaPowertoolsFormatter(location=None)
    for each in (ours, theirs):
        each.append_keys(location=None, service="orderflow", **keys)
    assert list(json.loads(ours.format(record)).items()) == list(json.loads(theirs.format(record)).items())


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
    assert [_without_time(line) for line in capsys.readouterr().out.splitlines()] == [
        _without_time(line) for line in singles.getvalue().splitlines()
    ]


def test_nothing_is_written_where_such_lines_are_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    level = logger.log_level
    logger.setLevel("WARNING")
    info_each("order event", [{"seq": 1}])
    logger.setLevel(level)
    info_each("order event", [])
    assert capsys.readouterr().out == ""


def _without_time(line: str) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in json.loads(line).items() if key != "timestamp"]
