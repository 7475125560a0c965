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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TextIO

from chalice_offline.json_text import decoded
from chalice_offline.log_file import LogFile, Printed
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
_COLOURS: Final = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m", "DEBUG": "\x1b[2m"}


class Look(NamedTuple):
    """How lines are shown.

    Attributes:
        is_raw: As they came.
        sentences: How the project wants some messages shown.
    """

    is_raw: bool = False
    is_coloured: bool = False
    sentences: Sentences = Sentences()

    def shown(self, printed: Printed) -> list[str]:
        """Return lines as they are printed; some are not."""
        source, lines, at = printed
        if source is None or self.is_raw:
            return [*lines]
        clock, found = _clock(int(at.timestamp())), []
        for line in lines:
            try:
                text = self._readable(source, line, clock)
            except Exception:  # noqa: BLE001  # no line, whatever is in it, may end the log
                text = f"{source} {line}"
            if text is not None:
                found.append(text)
        return found

    def _readable(self, source: str, line: str, clock: str) -> str | None:
        """Return the readable form of one line, ``HH:MM:SS source message key=value …``.

        Lines of Lambda's root logger are shown alike. Others that are not JSON objects with a
        message pass through behind the time and source. A message that has a sentence is the
        time and that alone. Metrics in CloudWatch's embedded format are for machines: they render as None.
        """
        entry = _parsed(line)
        if entry is None:
            return f"{clock} {source} {line}"
        if "_aws" in entry:
            return None
        sentence = self.sentences.of(entry)
        if sentence is not None:
            return f"{clock} {_escaped(sentence)}"
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
        colour = _COLOURS.get(level, "") if self.is_coloured else ""
        return f"{colour}{body}\x1b[0m" if colour else body


@lru_cache(maxsize=2)
def _clock(epoch_s: int) -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_s))


def _parsed(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        found = _LAMBDA_LINE.fullmatch(line) if line.startswith("[") else None
        return None if found is None else {"level": found[1], "message": found[2]}
    try:
        entry = decoded(line)
    except ValueError:
        return None
    if isinstance(entry, dict) and ("message" in entry or "_aws" in entry):
        return entry
    return None


def _text(value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = value if isinstance(value, str) and value and " " not in value else _compact(value)
    return text if text.isprintable() else _escaped(_compact(value))


def _escaped(text: str) -> str:
    """Return a text with what a terminal would obey, C1 controls and marks of direction among it, shown by
    number: functions log what their clients sent.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


class Log:
    """Where lines go. Thread-safe; ``close`` writes what is still waiting.

    Attributes:
        is_verbose: Whether events of the level ``debug`` are shown.
        sentences: How the project wants some messages shown, once its settings are read.
    """

    def __init__(self, stream: TextIO, *, is_raw: bool = False, is_verbose: bool = False) -> None:
        self._stream = stream
        self.is_verbose: Final = is_verbose
        self._look = Look(is_raw, stream.isatty() and not is_raw)
        self._lock = threading.Lock()
        self._waiting: list[Printed] = []
        self._waiting_lines = 0
        self._file: LogFile | None = None
        self._dropped = 0
        self._has_lines = threading.Event()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
        self._thread.start()

    @property
    def sentences(self) -> Sentences:
        return self._look.sentences

    @sentences.setter
    def sentences(self, sentences: Sentences) -> None:
        self._look = self._look._replace(sentences=sentences)

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
        now = datetime.now(UTC)
        with self._lock:
            room = LINES_WAITING_MAX - self._waiting_lines
            if len(lines) > room:
                self._dropped += len(lines) - room
                lines = lines[:room]
            if not lines:
                return
            self._waiting.append(Printed(source, lines, now))
            self._waiting_lines += len(lines)
        if not self._has_lines.is_set():
            self._has_lines.set()

    def _write_lines(self) -> None:
        is_last = False
        while not is_last:
            self._has_lines.wait()
            is_last = self._is_closing.is_set()
            self._has_lines.clear()
            with self._lock:
                printed, self._waiting = self._waiting, []
                dropped, self._waiting_lines, self._dropped = self._dropped, 0, 0
            self._keep(printed)
            try:
                self._write("\n".join([*self._shown(printed, dropped), ""]))
            except (OSError, ValueError) as error:
                if not (isinstance(error, OSError) and error.errno in _MAY_PASS):
                    # The reader is gone; the runtime goes on without a log.
                    return
            self._is_closing.wait(_GATHER_S)

    def _keep(self, printed: Sequence[Printed]) -> None:
        if self._file is not None and printed:
            with suppress(OSError):  # a full disk
                self._file.append(printed)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            # Half of a surrogate pair, or what the terminal's encoding lacks: shown by its number.
            encoding = self._stream.encoding or "ascii"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()

    def _shown(self, printed: Sequence[Printed], dropped: int) -> Iterator[str]:
        """Yield lines as they are to be written, and the number of those that were not kept."""
        look = self._look
        for each in printed:
            yield from look.shown(each)
        if dropped:
            yield f"({dropped} lines dropped: the log is not being read)"


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
