"""The handler that Lambda's own runtime for Python puts on the root logger (``awslambdaric/bootstrap.py``).

Records arrive as ``[LEVEL]<tab>time<tab>request id<tab>message``, or as JSON objects where
``AWS_LAMBDA_LOG_FORMAT`` is JSON; ``AWS_LAMBDA_LOG_LEVEL`` sets the root logger's level. As there, the level
is WARNING unless something says more.
"""

import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_TIME = "%Y-%m-%dT%H:%M:%S"
_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
# What every record has; the rest was given as ``extra``.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"aws_request_id", "message", "asctime", "taskName"}


class LambdaLog:
    """The root logger's handler; tell it the id of each invocation."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.request_id = ""
        self._is_json = variables.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = variables.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        self._level = "DEBUG" if level == "TRACE" else level

    def install(self) -> None:
        logging.Formatter.converter = time.gmtime
        handler = _Handler()
        handler.setFormatter(_JsonFormatter() if self._is_json else logging.Formatter(_TEXT, _TIME))
        handler.addFilter(self._add_request_id)
        root = logging.getLogger()
        root.addHandler(handler)
        if self._level in logging.getLevelNamesMapping():
            root.setLevel(self._level)

    def failed(self, error_type: str, message: str, trace: str) -> None:
        """Print a failed invocation as Lambda does; ``trace`` is empty or ends with a line feed."""
        if not self._is_json:
            sys.stdout.write(f"[ERROR] {error_type}: {message}\n{trace}")
            return
        entry = {
            "timestamp": datetime.now(UTC).strftime(_TIME) + "Z",
            "level": "ERROR",
            "errorMessage": message,
            "errorType": error_type,
            "requestId": self.request_id,
            "stackTrace": trace.splitlines(),
        }
        sys.stdout.write(f"{json.dumps(entry)}\n")

    def _add_request_id(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.request_id
        return True


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # Found anew each time, for those who replace it. A record
        # that cannot be formatted raises, as on Lambda.
        sys.stdout.write(self.format(record))


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "timestamp": f"{at:{_TIME}}.{at.microsecond // 1000:03}Z",
            "level": logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
            entry["errorType"] = record.exc_info[0].__name__
            entry["errorMessage"] = str(record.exc_info[1])
            entry["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry["requestId"] = getattr(record, "aws_request_id", None)
        extra = {
            name: value for name, value in vars(record).items() if name not in _OWN and name not in entry
        }
        known = {name: value for name, value in {**entry, **extra}.items() if value is not None}
        return json.dumps(known, ensure_ascii=False) + "\n"
