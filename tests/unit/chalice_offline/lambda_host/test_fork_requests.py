"""How requests reach a process that forks, which reads them when it has time."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chalice_offline.lambda_host.fork_requests import ForkRequests

LONG = b"x" * 1_000_000


def run(scenario: Callable[[ForkRequests, socket.socket], Awaitable[None]]) -> None:
    async def between() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        requests = ForkRequests(ours)
        try:
            await scenario(requests, theirs)
        finally:
            requests.close()
            theirs.close()

    asyncio.run(between())


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


async def read(theirs: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await asyncio.get_running_loop().sock_recv(theirs, size - len(data))
    return data


def test_what_is_long_arrives_whole_and_in_its_order() -> None:
    async def scenario(requests: ForkRequests, theirs: socket.socket) -> None:
        for number in range(5):
            requests.put(b"%04d" % number + LONG, [])
        for number in range(5):
            assert await read(theirs, 4 + len(LONG)) == b"%04d" % number + LONG

    run(scenario)


def test_descriptors_leave_with_their_request_and_stay_the_callers() -> None:
    async def scenario(requests: ForkRequests, theirs: socket.socket) -> None:
        pipes = [os.pipe() for _ in range(2)]
        before = open_descriptors()
        for _, write_end in pipes:
            requests.put(b"head" + LONG, [write_end])
        for read_end, write_end in pipes:
            while True:
                try:
                    head, (received,), _, _ = socket.recv_fds(theirs, 4, 2)
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.01)
            assert head == b"head"
            assert await read(theirs, len(LONG)) == LONG
            os.write(received, b"by theirs")
            assert os.read(read_end, 100) == b"by theirs"
            os.write(write_end, b"by ours")
            assert os.read(read_end, 100) == b"by ours"
            os.close(received)
        assert open_descriptors() == before
        for pipe in pipes:
            for descriptor in pipe:
                os.close(descriptor)

    run(scenario)


def test_end_is_told_after_what_waits_and_nothing_follows_it() -> None:
    async def scenario(requests: ForkRequests, theirs: socket.socket) -> None:
        requests.put(b"head" + LONG, [])
        requests.end()
        with pytest.raises(ConnectionResetError):
            requests.put(b"late{}", [])
        assert await read(theirs, 4 + len(LONG)) == b"head" + LONG
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""

    run(scenario)


def test_end_is_told_at_once_where_nothing_waits() -> None:
    async def scenario(requests: ForkRequests, theirs: socket.socket) -> None:
        requests.put(b"head{}", [])
        requests.end()
        assert await read(theirs, 6) == b"head{}"
        assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""

    run(scenario)


def test_process_that_has_ended_leaves_no_descriptors_behind() -> None:
    async def scenario(requests: ForkRequests, theirs: socket.socket) -> None:
        read_end, write_end = os.pipe()
        requests.put(b"head" + LONG, [])
        requests.put(b"head{}", [write_end])  # waits
        os.close(write_end)
        theirs.close()
        # The copy of the write end that waited is closed as well.
        assert await asyncio.to_thread(os.read, read_end, 1) == b""
        with pytest.raises(ConnectionResetError):
            requests.put(b"late{}", [])
        requests.end()
        os.close(read_end)

    run(scenario)
