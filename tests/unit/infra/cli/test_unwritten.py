"""A command whose answer cannot be written says so by its exit status."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
TOKEN = (sys.executable, "-m", "infra.cli", "token", "--secret", "a secret of thirty-two characters")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this machine")
def test_answer_that_a_full_disk_does_not_take_is_told_apart_from_what_a_command_finds() -> None:
    with FULL.open("w") as full:
        done = subprocess.run(TOKEN, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        os.EX_IOERR,
        "Error: the answer cannot be written: No space left on device\n",
    )


def test_reader_that_leaves_ends_a_command_as_shells_have_it_and_says_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(TOKEN, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
