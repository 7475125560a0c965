"""A terminal that closes ends what runs in its foreground, also where its session's leader tells nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from chalice_offline.hangup import when_hung_up

ROOT: Final = Path(__file__).parents[3]

# As make: waits for what it runs, and passes no SIGHUP on. That it came, the program sees at its input.
LEADER: Final = """
import fcntl, os, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
group = {"group": None, "background": 0}[sys.argv[2]]
program = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, process_group=group)
signal.signal(signal.SIGHUP, lambda *_: program.stdin.close())
program.wait()
"""

LOOKS: Final = """
import sys
from chalice_offline.hangup import Terminal
terminal = Terminal()
terminal.has_closed_on_us()
print("ready", flush=True)
sys.stdin.read()
print(terminal.has_closed_on_us())
"""

WAITS: Final = """
import asyncio
from chalice_offline.hangup import when_hung_up
async def main():
    over = asyncio.Event()
    watch = when_hung_up(over.set)
    await asyncio.sleep(0)
    print("ready", flush=True)
    await over.wait()
    print("over")
asyncio.run(main())
"""


def said_after_hangup(program: str, where: str) -> str:
    """Return what a program says once its terminal has closed."""
    screen, terminal = os.openpty()
    leader = subprocess.Popen(
        [sys.executable, "-c", LEADER, program, where],
        cwd=ROOT,
        stdin=terminal,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    with leader:
        os.close(terminal)
        try:
            assert leader.stdout is not None
            assert leader.stdout.readline() == "ready\n"
        finally:
            os.close(screen)
        return leader.stdout.read().strip()


@pytest.mark.parametrize(("where", "is_ended"), [("group", True), ("background", False)])
def test_terminal_closes_on_what_is_in_its_foreground(where: str, *, is_ended: bool) -> None:
    assert said_after_hangup(LOOKS, where) == str(is_ended)


def test_program_under_make_ends_with_its_terminal() -> None:
    assert said_after_hangup(WAITS, "group") == "over"


def test_program_under_nohup_ignores_that_its_terminal_closes() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert asyncio.run(_watched()) is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def _watched() -> asyncio.Task[None] | None:
    return when_hung_up(lambda: None)
