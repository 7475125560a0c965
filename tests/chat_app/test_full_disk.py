"""A whole instance whose disk is full, when it starts and when it is stopped."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from chalice_offline.services.reserve import Reserve
from tests.chat_app.test_ledger import LEDGER_APP
from tests.support.instance import TIME_LIMIT_S, Instance

_DELAY_S: Final = 900


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m,mode=711", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a disk of one's own takes the right to mount one")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def entries_queue(instance: Instance) -> tuple[Any, str]:
    status = instance.status()
    credentials = {
        name.lower(): status["aws"][name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    }
    sqs = boto3.Session(region_name="us-east-1", **credentials).client(
        "sqs", endpoint_url=status["sqs_endpoint"]
    )
    return sqs, str(sqs.get_queue_url(QueueName="ledger-dev-entries")["QueueUrl"])


def test_stop_on_a_full_disk_saves_what_waits_in_the_queues(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with Instance(LEDGER_APP, small_disk / "state", "--no-reload") as instance:
        sqs, url = entries_queue(instance)
        fill(filler)
        for _ in range(20):
            sqs.send_message(QueueUrl=url, MessageBody="x" * 10_000, DelaySeconds=_DELAY_S)
        assert instance.stop() == 0, instance.lines
    filler.unlink()
    with Instance(LEDGER_APP, small_disk / "state", "--no-reload") as instance:
        sqs, url = entries_queue(instance)
        number = "ApproximateNumberOfMessagesDelayed"
        assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[number])["Attributes"][number] == "20"


def test_start_on_a_full_disk_says_which_it_is(small_disk: Path) -> None:
    (small_disk / "state").mkdir()
    (small_disk / "state" / ".gitignore").touch()  # of an earlier run
    fill(small_disk / "filler")
    instance = Instance(LEDGER_APP, small_disk / "state", "--no-reload", makes_own_cluster=True)
    assert instance.process.wait(TIME_LIMIT_S) == 1
    instance.stop()
    (line,) = instance.lines
    assert line.startswith("error: ")
    assert "No space left on device" in line
    assert str(small_disk) in line


def test_disk_with_little_room_is_not_filled_by_what_is_kept_for_the_queues(small_disk: Path) -> None:
    filler, reserve, room = small_disk / "filler", small_disk / "reserve", 10 * 1024 * 1024
    fill(filler)
    os.truncate(filler, filler.stat().st_size - room)
    Reserve(reserve, mebibytes=16).take()
    assert shutil.disk_usage(small_disk).free >= room // 2
    kept = reserve.stat().st_size
    assert kept >= room // 4
    # One that was killed has left its own, which is not given to what fills the disk.
    fill(small_disk / "more")
    Reserve(reserve, mebibytes=16).take()
    assert reserve.stat().st_size == kept
