"""A full disk ends in one line, not in a traceback, and takes nothing down that could go on."""

import asyncio
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.supervision import all_of


def test_process_that_ended_is_forgotten_though_that_cannot_be_written(tmp_path: Path) -> None:
    register = ChildRegister(tmp_path / "children.json")
    register.add(os.getpid(), "postgres")
    (tmp_path / "children.json.new").mkdir()  # no file can be made under its name, as on a full disk
    register.remove(os.getpid())
    assert register.pids() == {}


class Disk(io.StringIO):
    """A stream that is full for its first writes."""

    def __init__(self, reason: int) -> None:
        super().__init__()
        self.reason = reason
        self.refusals = 1
        self.kept = ""

    def write(self, text: str) -> int:
        if text and self.refusals:
            self.refusals -= 1
            raise OSError(self.reason, os.strerror(self.reason))
        self.kept += text
        return len(text)


@pytest.mark.parametrize(
    ("reason", "kept"), [(errno.ENOSPC, "after\n"), (errno.EPIPE, "")], ids=["full disk", "reader gone"]
)
def test_log_goes_on_when_the_disk_has_room_again(reason: int, kept: str) -> None:
    disk = Disk(reason)
    log = Log(disk, is_raw=True)
    log.say("before")
    while disk.refusals:
        pass
    log.say("after")
    log.close()
    assert disk.kept == kept


def test_streams_that_take_nothing_end_without_a_traceback() -> None:
    script = (
        "import sys; from chalice_offline.logs import leave_unwritable_streams;"
        "sys.stdout.write('x'); leave_unwritable_streams(); sys.exit(3)"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PATH": os.environ["PATH"]},  # in which nothing turns buffers off
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (3, "")


def test_steps_of_a_stop_are_all_taken_and_what_failed_is_told() -> None:
    taken: list[str] = []

    async def fails() -> None:
        taken.append("fails")
        raise OSError(errno.ENOSPC, "No space left on device")

    async def works() -> None:
        taken.append("works")

    with pytest.raises(ExceptionGroup) as failed:
        asyncio.run(all_of([fails, works]))
    assert taken == ["fails", "works"]
    assert len(failed.value.exceptions) == 1
