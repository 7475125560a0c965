"""Lines of a transaction's log: which instruction they belong to, and the limit on all of them."""

import re
from collections.abc import Iterable
from typing import Final

_INVOKE: Final = re.compile(r"Program \w{32,44} invoke \[(\d+)\]$")
BYTES_MAX: Final = 10_000
"""A node keeps no more of a log than this."""


def by_instruction(lines: Iterable[str]) -> list[list[str]]:
    """Return the lines of each outer instruction that ran."""
    parts: list[list[str]] = []
    for line in lines:
        found = _INVOKE.match(line)
        if found and found[1] == "1":
            parts.append([])
        if parts:
            parts[-1].append(line)
    return parts


def deeper(lines: Iterable[str]) -> list[str]:
    """Return lines as they are when a program called what had been an outer instruction."""
    return [
        _INVOKE.sub(lambda match: match[0].replace(f"[{match[1]}]", f"[{int(match[1]) + 1}]"), line)
        for line in lines
    ]


def truncated(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return as many lines as a node keeps, and its mark if there were more."""
    size = 0
    for index, line in enumerate(lines):
        size += len(line)
        if size > BYTES_MAX:
            return (*lines[:index], "Log truncated")
    return lines
