"""Our lines are Powertools' lines, made with less."""

import io
import json
import logging
from typing import Any
from uuid import UUID

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from chalicelib.logs import LineFormatter, LineHandler


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


def test_lines_of_one_moment_are_written_in_one_piece_and_later_ones_at_once() -> None:
    stream = _Pieces()
    handler = LineHandler(stream)
    with handler.together():
        handler.handle(a_record("first"))
        handler.handle(a_record("second"))
        assert stream.pieces == []
    handler.handle(a_record("third"))
    assert "".join(stream.pieces) == "first\nsecond\nthird\n"
    assert stream.pieces[0] == "first\nsecond\n"


def test_lines_before_a_failure_are_written() -> None:
    stream = _Pieces()
    handler = LineHandler(stream)

    def fail() -> None:
        with handler.together():
            handler.handle(a_record("before"))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert stream.pieces == ["before\n"]


class _Pieces(io.StringIO):
    """Remembers what was written in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)
