"""The runtime's log: what functions print and what happens to them, one readable line each.

Rendering is pure. It and writing happen in a thread of its own, because a terminal or pipe that is not read
must slow the log, never the gateway: when the reader falls behind, lines are counted and dropped.
"""

import errno
import json
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TextIO

from chalice_offline.json_text import decoded
from chalice_offline.log_file import Entry, LogFile
from chalice_offline.sentences import Sentences

LINES_WAITING_MAX: Final = 20_000
# Between two writes: a thread that wakes for each line costs more than all that is done with the line.
_GATHER_S: Final = 0.05

# A full disk may have room again; what could not be written waits in the stream's buffer.
_MAY_PASS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

# Powertools' Logger puts these into every line; the rendered line shows them once, or not at all.
_NOT_SHOWN: Final = frozenset(
    {
        "level",
        "location",
        "message",
        "timestamp",
        "service",
        "cold_start",
        "function_name",
        "function_memory_size",
        "function_arn",
        "function_request_id",
        "xray_trace_id",
        "sampling_rate",
        "stack_trace",
        "exception_name",
    }
)
# What Lambda's handler of the root logger makes of a record; time and
# request id are not shown, as of JSON entries.
_LAMBDA_LINE: Final = re.compile(r"\[([A-Z]+)\]\t[\d:.T-]+Z\t[^\t]*\t(.*)")
# Made once: json.dumps with arguments makes an encoder for each call.
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_NO_SENTENCES: Final = Sentences()
_COLOURS: Final = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m", "DEBUG": "\x1b[2m"}


def render(
    source: str,
    line: str,
    *,
    now: datetime,
    is_coloured: bool = False,
    sentences: Sentences = _NO_SENTENCES,
) -> str | None:
    """Return the readable form of one line, ``HH:MM:SS source message key=value …``.

    Lines of Lambda's root logger are shown alike. Others that are not JSON objects with a
    message pass through behind the time and source. A message that has a sentence is the
    time and that alone. Metrics in CloudWatch's embedded format are for machines: they render as None.
    """
    clock = _clock(int(now.timestamp()))
    entry = _parsed(line)
    if entry is None:
        return f"{clock} {source} {line}"
    if "_aws" in entry:
        return None
    sentence = sentences.of(entry)
    if sentence is not None:
        return f"{clock} {sentence}"
    level = str(entry.get("level", "INFO"))
    shown = [f"{key}={_text(value)}" for key, value in entry.items() if key not in _NOT_SHOWN]
    head = str(entry["message"]) if level == "INFO" else f"{level} {entry['message']}"
    body = " ".join([f"{clock} {source} {head}", *shown])
    trace = entry.get("exception")
    if isinstance(trace, str):
        body = " ".join(
            [f"{clock} {source} {head}", *(part for part in shown if not part.startswith("exception="))]
        )
        body = f"{body}\n{trace}"
    colour = _COLOURS.get(level, "") if is_coloured else ""
    return f"{colour}{body}\x1b[0m" if colour else body


def shown(
    entry: Entry, *, is_raw: bool, is_coloured: bool, sentences: Sentences = _NO_SENTENCES
) -> str | None:
    """Return a line as it is printed, None if it is not; raw is as it came."""
    if entry.source is None or is_raw:
        return entry.line
    try:
        return render(entry.source, entry.line, now=entry.at, is_coloured=is_coloured, sentences=sentences)
    except Exception:  # noqa: BLE001  # no line, whatever is in it, may end the log
        return f"{entry.source} {entry.line}"


@lru_cache(maxsize=2)
def _clock(epoch_s: int) -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_s))


def _parsed(line: str) -> dict[str, Any] | None:
    if line.startswith("[") and (found := _LAMBDA_LINE.fullmatch(line)):
        return {"level": found[1], "message": found[2]}
    if not line.startswith("{"):
        return None
    try:
        entry = decoded(line)
    except ValueError:
        return None
    if isinstance(entry, dict) and ("message" in entry or "_aws" in entry):
        return entry
    return None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value else _compact(value)
    return str(value) if type(value) is int else _compact(value)


class Log:
    """Where lines go. Thread-safe; ``close`` writes what is still waiting.

    Attributes:
        is_verbose: Whether events of the level ``debug`` are shown.
        sentences: How the project wants some messages shown, once its settings are read.
    """

    def __init__(self, stream: TextIO, *, is_raw: bool = False, is_verbose: bool = False) -> None:
        self._stream = stream
        self._is_raw = is_raw
        self.is_verbose: Final = is_verbose
        self.sentences = _NO_SENTENCES
        self._is_coloured = stream.isatty() and not is_raw
        self._waiting: deque[Entry] = deque()
        self._file: LogFile | None = None
        self._dropped = 0
        self._has_lines = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
        self._thread.start()

    def keep_in(self, file: LogFile) -> None:
        """Write each line from here on to a file as well, as far as the disk has room; it is closed here."""
        self._file = file

    def function_lines(self, function_name: str, lines: Sequence[str]) -> None:
        """Log what a function printed just now."""
        self._put(function_name, lines)

    def event(self, level: str, message: str, /, **facts: Any) -> None:
        """Log something the runtime did; ``debug`` shows only when asked for."""
        if level == "debug" and not self.is_verbose:
            return
        entry: Mapping[str, Any] = {"level": level.upper(), "message": message, **facts}
        self._put("runtime", [json.dumps(entry, default=str)])

    def say(self, line: str) -> None:
        """Print a line as it is: the ready banner."""
        self._put(None, [line])

    def close(self) -> None:
        self._is_closing.set()
        self._has_lines.set()
        self._thread.join(timeout=2)
        if self._file is not None and not self._thread.is_alive():
            self._file.close()

    def _put(self, source: str | None, lines: Sequence[str]) -> None:
        room = max(0, LINES_WAITING_MAX - len(self._waiting))
        if len(lines) > room:
            self._dropped += len(lines) - room
            lines = lines[:room]
        now = datetime.now(UTC)
        self._waiting.extend([Entry(source, line, now) for line in lines])
        if not self._has_lines.is_set():
            self._has_lines.set()

    def _write_lines(self) -> None:
        is_last = False
        while not is_last:
            self._has_lines.wait()
            is_last = self._is_closing.is_set()
            self._has_lines.clear()
            entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._keep(entries)
            try:
                self._write("\n".join([*self._rendered(entries), ""]))
            except (OSError, ValueError) as error:
                if not (isinstance(error, OSError) and error.errno in _MAY_PASS):
                    # The reader is gone; the runtime goes on without a log.
                    return
            self._is_closing.wait(_GATHER_S)

    def _keep(self, entries: Sequence[Entry]) -> None:
        if self._file is not None and entries:
            with suppress(OSError):  # a full disk
                self._file.append(entries)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            # Half of a surrogate pair, or what the terminal's encoding lacks: shown by its number.
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()

    def _rendered(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Yield entries as they are to be written."""
        for entry in entries:
            text = shown(entry, is_raw=self._is_raw, is_coloured=self._is_coloured, sentences=self.sentences)
            if text is not None:
                yield text
        if self._dropped:
            yield f"({self._dropped} lines dropped: the log is not being read)"
            self._dropped = 0


def leave_unwritable_streams() -> None:
    """Give up what a full disk or a gone reader did not take, so
    that Python does not print a traceback about it.

    As https://docs.python.org/3/library/signal.html#note-on-sigpipe has it.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
