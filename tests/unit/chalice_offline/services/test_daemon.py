"""Long-running children: start, death, restart, stop, and what an earlier run left behind."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister, started_at
from chalice_offline.services.daemon import Daemon, DaemonError, DaemonSpec

# Says that it is up by creating a file, and ignores SIGTERM if asked to.
CHILD = """
import pathlib, signal, sys, time
if "deaf" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).write_text("up")
time.sleep(600)
"""


class Service:
    """A daemon over the child above, and what became of it."""

    def __init__(self, folder: Path, *arguments: str, program: str = CHILD) -> None:
        self.mark = folder / "up"
        self.restarts = self.refusals = 0
        self.register = ChildRegister(folder / "children.json")
        self.stream = io.StringIO()
        self.log = Log(self.stream)
        spec = DaemonSpec(
            name="service",
            command=(sys.executable, "-c", program, str(self.mark), *arguments),
            environment={},
            log_path=folder / "service.log",
            is_ready=self._is_up,
            stop_signal=signal.SIGTERM,
            stop_timeout_s=0.2,
            on_restarted=self._restarted,
        )
        self.daemon = Daemon(spec, self.register, self.log)

    def pids(self) -> list[int]:
        return self.register.pids().get("service", [])

    def run(self, scenario: Callable[[], Awaitable[None]]) -> str:
        async def main() -> None:
            try:
                await scenario()
            finally:
                await self.daemon.stop()

        asyncio.run(main())
        self.log.close()
        return self.stream.getvalue()

    async def _is_up(self) -> bool:
        return self.mark.exists()

    async def _restarted(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RuntimeError("not yet")
        self.restarts += 1


def test_service_is_up_after_start_and_gone_after_stop(tmp_path: Path) -> None:
    service = Service(tmp_path)

    async def scenario() -> None:
        await service.daemon.start()
        (pid,) = service.pids()
        assert started_at(pid)
        await service.daemon.stop()
        assert started_at(pid) is None
        assert service.pids() == []

    service.run(scenario)


def test_service_that_ignores_the_stop_signal_is_killed(tmp_path: Path) -> None:
    service = Service(tmp_path, "deaf")

    async def scenario() -> None:
        await service.daemon.start()
        (pid,) = service.pids()
        await service.daemon.stop()
        assert started_at(pid) is None

    service.run(scenario)


def test_service_that_dies_is_restarted_and_its_owner_told(tmp_path: Path) -> None:
    service = Service(tmp_path)

    async def scenario() -> None:
        await service.daemon.start()
        (pid,) = service.pids()
        os.kill(pid, signal.SIGKILL)
        while not service.restarts:  # noqa: ASYNC110  # another process brings it about
            await asyncio.sleep(0.01)
        assert service.pids() != [pid]

    log = service.run(scenario)
    assert "service died, restarting exit_status=-9" in log
    assert "service is back" in log


def test_service_that_dies_while_the_disk_is_full_is_restarted(tmp_path: Path) -> None:
    service = Service(tmp_path)

    async def scenario() -> None:
        await service.daemon.start()
        (pid,) = service.pids()
        (tmp_path / "children.json.new").mkdir()  # no file can be made under its name, as on a full disk
        os.kill(pid, signal.SIGKILL)
        while not service.restarts:  # noqa: ASYNC110  # another process brings it about
            await asyncio.sleep(0.01)
        assert service.pids() != [pid]

    log = service.run(scenario)
    assert "did not restart" not in log
    assert "service is back" in log


def test_owner_that_could_not_use_a_restarted_service_is_told_again(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.refusals = 2

    async def scenario() -> None:
        await service.daemon.start()
        (pid,) = service.pids()
        os.kill(pid, signal.SIGKILL)
        while not service.restarts:  # noqa: ASYNC110  # another process brings it about
            await asyncio.sleep(0.01)

    log = service.run(scenario)
    assert log.count("service is not what it was") == 2
    assert log.count("service died") == 1


def test_stop_does_not_wait_for_an_owner_that_cannot_use_a_restarted_service(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.refusals = 10**9

    async def scenario() -> None:
        await service.daemon.start()
        (pid,) = service.pids()
        os.kill(pid, signal.SIGKILL)
        while service.refusals == 10**9:  # noqa: ASYNC110  # another process brings it about
            await asyncio.sleep(0.01)
        await service.daemon.stop()
        assert service.pids() == []

    service.run(scenario)


def test_service_that_ends_at_once_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    service = Service(tmp_path, program="raise SystemExit(2)")

    async def scenario() -> None:
        with pytest.raises(DaemonError, match=r"service\.log"):
            await service.daemon.start()

    service.run(scenario)
    assert service.pids() == []


def test_leftover_of_an_earlier_run_is_ended_and_a_reused_pid_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        subprocess.Popen(command, start_new_session=True) as leftover,
        subprocess.Popen(command, start_new_session=True) as stranger,
    ):
        try:
            register = ChildRegister(tmp_path / "children.json")
            register.add(leftover.pid, "service")
            register.add(stranger.pid, "other")
            path = tmp_path / "children.json"
            recorded = json.loads(path.read_text())
            # As if the pid had belonged to a process that began at another time.
            recorded[str(stranger.pid)]["started"] = "1"
            path.write_text(json.dumps(recorded))
            assert ChildRegister(path).end_leftovers() == ["service"]
            assert leftover.wait(120) == -signal.SIGTERM
            assert stranger.poll() is None
        finally:
            for process in (leftover, stranger):
                process.kill()
