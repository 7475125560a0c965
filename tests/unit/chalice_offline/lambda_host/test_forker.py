"""A fork server that has no process to give."""

import asyncio
import gc
import json
import os
import socket
from types import ModuleType
from typing import Any

import pytest

from chalice_offline.lambda_host import fork_server
from chalice_offline.lambda_host.forker import Forker
from chalice_offline.lambda_host.forks import Forks
from chalice_offline.lambda_host.frames import frame


def test_fork_that_the_system_refuses_keeps_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    origin = fork_server.Origin(ModuleType("bootstrap"), ModuleType("shared_import"), None)
    ours, theirs = socket.socketpair()
    fds = list(os.pipe())
    with ours, theirs, pytest.raises(BlockingIOError):
        fork_server.fork(origin, ours, {}, fds)
    for descriptor in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_refusal_reaches_who_asked_and_the_next_is_served() -> None:
    async def scenario() -> None:
        forker = Forker([], {"PATH": os.environ["PATH"]})
        forks = (await forker.start()).forks
        loop = asyncio.get_running_loop()
        refused, started = loop.create_future(), loop.create_future()
        forks._starting.extend([refused, started])
        reports: list[dict[str, object]] = [{"refused": "no memory"}, {"started": 1_234}]
        forks.data_received(b"".join(frame(json.dumps(report).encode()) for report in reports))
        with pytest.raises(OSError, match="no memory"):
            await refused
        assert (await started).pid == 1_234
        forks._running.clear()
        await forker.close()

    asyncio.run(scenario())


def test_start_whose_caller_has_left_is_no_defect_when_the_fork_server_ends() -> None:
    async def scenario() -> list[dict[str, Any]]:
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        ours, theirs = socket.socketpair()
        forks = await Forks.over(ours)
        caller = asyncio.create_task(forks.fork({}, theirs.fileno(), theirs.fileno()))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        theirs.close()
        await forks.until_ended()
        forks.close()
        gc.collect()
        return reported

    assert asyncio.run(scenario()) == []
