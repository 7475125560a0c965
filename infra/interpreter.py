"""Print the Python interpreter to make the virtual environment with: ``python3 infra/interpreter.py``.

That is ``python3``, unless it is too old for us or too new, or its version is installed in a clearly
faster build as well. Builds without optimisation, which pyenv makes by
default, take a fifth longer for everything.

It runs on any Python 3 from 3.7 on, since it is what finds out whether there is a newer one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)
NEWEST = (3, 15)
"""The newest that the pinned set has wheels for, and that the tests were run on."""
NEEDED = "Python 3.11 to 3.15 is needed"

CLEARLY_FASTER = 1.1

TURNS = 5
"""A shared machine's speed doubles within a second: interpreters take turns, and each one's best counts."""

# Fails where an environment could not be made; else prints the version, the best
# of several goes at a bit of work, and the program that ran: a shim runs another.
QUESTION = """
import sys, time, ensurepip, ssl, venv

class Pool:
    def __init__(self, reserves):
        self.reserves = reserves
    def out(self, amount):
        return self.reserves[1] * amount // (self.reserves[0] + amount)

def work():
    pool, seen = Pool((10**18, 10**17)), {}
    for amount in range(10**9, 10**9 + 20000):
        seen = {"amount": amount, "out": pool.out(amount)}
    return seen

def seconds():
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

print(sys.version_info[0], sys.version_info[1], min(seconds() for _ in range(7)), sys.executable)
"""
_TIME_LIMIT_S = 30


class Interpreter(NamedTuple):
    """One that could make the environment; ``seconds``: for the bit of work, by ``program``."""

    path: str
    version: tuple[int, int]
    seconds: float
    program: str


def main() -> None:
    paths = candidates()
    first = next(usable(paths), None)
    if first is None:
        sys.exit(f"{NEEDED}, with venv and ensurepip; there is none on the path")
    # Each answer takes a tenth of a second: what is of another version by its name is not asked.
    same = [path for path in paths if names(path, first.version)]
    programs: dict[str, Interpreter] = {}
    for each in usable(same):
        if each.version == first.version:
            programs.setdefault(each.program, each)
    first, *others = compared(list(programs.values()))
    best = min([first, *others], key=lambda each: each.seconds)
    ratio = first.seconds / best.seconds
    if ratio < CLEARLY_FASTER:
        best = first
    else:
        sys.stderr.write(
            f"Using {best.path}, {ratio:.1f} times as fast as {first.path} "
            "(make clean run PYTHON=... takes another)\n"
        )
    sys.stdout.write(best.path + "\n")


def compared(programs: Sequence[Interpreter]) -> list[Interpreter]:
    """Return interpreters with the best of their turns; one alone has none to be compared with."""
    best_s = {each.path: each.seconds for each in programs}
    for _ in range(TURNS if len(programs) > 1 else 0):
        for each in usable(best_s):
            best_s[each.path] = min(best_s[each.path], each.seconds)
    return [each._replace(seconds=best_s[each.path]) for each in programs]


def usable(paths: Iterable[str]) -> Iterator[Interpreter]:
    """Ask one after the other; yield those that an environment can be made with."""
    for path in paths:
        answer = ask(path)
        if answer is not None and OLDEST <= answer.version <= NEWEST:
            yield answer


def names(path: str, version: tuple[int, int]) -> bool:
    """Whether a file's name lets it be of a version: ``python3`` may be of any."""
    suffix = Path(path).suffix
    return not suffix or suffix == f".{version[1]}"


def candidates() -> list[str]:
    """Return interpreters on the path: those called ``python3`` first,
    then newer versions before older ones.
    """
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    plain = [folder / "python3" for folder in folders]
    versioned = [
        folder / name
        for folder in folders
        for name in names_in(folder)
        if re.fullmatch(r"python3\.\d+", name)
    ]
    versioned.sort(key=lambda path: -int(path.suffix[1:]))
    distinct: dict[Path, str] = {}
    for path in plain + versioned:
        if os.access(path, os.X_OK):
            distinct.setdefault(path.resolve(), str(path))
    return list(distinct.values())


def names_in(folder: Path) -> list[str]:
    """Return what a folder of the path holds: nothing, as for a shell, if this user may not look into it."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def ask(path: str) -> Interpreter | None:
    """Return what an interpreter is; None if it cannot make an environment."""
    try:
        shown = subprocess.check_output(
            [path, "-c", QUESTION], stderr=subprocess.DEVNULL, timeout=_TIME_LIMIT_S
        )
        major, minor, seconds, program = shown.decode().strip().split(maxsplit=3)
        return Interpreter(path, (int(major), int(minor)), float(seconds), os.path.realpath(program))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


if __name__ == "__main__":
    main()
