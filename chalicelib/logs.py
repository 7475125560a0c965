"""The application's log and metrics: JSON lines by Powertools, correlated by order and connection."""

import json
import logging
import sys
from collections.abc import Iterable
from typing import Any, Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import RESERVED_LOG_ATTRS, LambdaPowertoolsFormatter

SERVICE: Final = "orderflow"

_NOT_EXTRA: Final = frozenset(RESERVED_LOG_ATTRS)


class LineFormatter(LambdaPowertoolsFormatter):
    """Powertools' lines, made from what our calls have: a constant message, and facts as keys.

    Its own formatter tries to read each message as JSON, and prepares a traceback and an encoder for each line:
    19 µs of processor time against 8, seven times an order.
    """

    def __init__(self) -> None:
        super().__init__()
        self._encode = json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=False).encode
        # The last line's second, and what stands around its milliseconds.
        self._second = -1, "", ""

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            return super().format(record)
        facts = {key: value for key, value in record.__dict__.items() if key not in _NOT_EXTRA}
        return self._line(record.levelname, record.getMessage(), self.formatTime(record), facts)

    def lines(self, record: logging.LogRecord, each_facts: Iterable[dict[str, Any]]) -> list[str]:
        """Return lines that differ from the record's in their facts alone."""
        level, message, timestamp = record.levelname, record.getMessage(), self.formatTime(record)
        return [self._line(level, message, timestamp, facts) for facts in each_facts]

    def _line(self, level: str, message: str, timestamp: str, facts: dict[str, Any]) -> str:
        # ``log_format`` holds the order of the keys, and those that were set for all lines to come.
        line = self.log_format | {"level": level, "message": message, "timestamp": timestamp} | facts
        if trace_id := self._get_latest_trace_id():
            line["xray_trace_id"] = trace_id
        return self._encode({key: value for key, value in line.items() if value is not None})

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  # its name there
        """Return Powertools' time stamp, ``2021-05-03 10:20:19,650+0200``, made anew once a second."""
        second, before, after = self._second
        if second != int(record.created):
            text = super().formatTime(record, datefmt)
            before, _, rest = text.partition(",")
            after = rest[3:]
            self._second = int(record.created), before, after
        return f"{before},{int(record.msecs):03d}{after}"


_FORMATTER: Final = LineFormatter()

# Messages are constant, so each names its place already; finding the line costs a fifth of a log call.
logger: Final = Logger(service=SERVICE, location=None, logger_formatter=_FORMATTER)


def info_each(message: str, each_facts: Iterable[dict[str, Any]]) -> None:
    """Log a line for each mapping of facts, all of one moment, in one piece.

    A batch of orders has sixty: together they are a system call and a wake-up of whoever reads them, and no records
    of their own, 6 µs of processor time a line instead of 17.
    """
    if logger.log_level > logging.INFO:
        return
    moment = logging.LogRecord(SERVICE, logging.INFO, "", 0, message, None, None)
    lines = _FORMATTER.lines(moment, each_facts)
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
