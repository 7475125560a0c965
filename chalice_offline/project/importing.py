"""A child process that imports what may print, hang, leave programs running or end the process."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import killpg
from pathlib import Path
from typing import Final

from chalice_offline.services.privileges import die_with_parent

_GRACE_S: Final = 1.0
"""For what a process says last, and for the ends of pipes that a program it left behind may hold."""
_OUTPUT: Final = 1
_ERRORS: Final = 2
_ERROR_BYTES_MAX: Final = 262_144
"""A loop that prints while it waits would fill the memory; the reason comes last."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended, and what it wrote until then, the last of its errors.

    ``status`` is None if it was given up; ``errors`` has then where each of its threads was, if it runs under
    ``faulthandler``.
    """

    status: int | None
    output: bytes
    errors: bytes


class _Listener(asyncio.SubprocessProtocol):
    """Gathers what a process writes; its end is not the end of its pipes, which what it started may hold."""

    def __init__(self) -> None:
        self.written: Final = {_OUTPUT: bytearray(), _ERRORS: bytearray()}
        self.exited: Final = asyncio.Event()
        self.closed: Final = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        written = self.written[fd]
        written += data
        if fd == _ERRORS and len(written) > 2 * _ERROR_BYTES_MAX:
            del written[:-_ERROR_BYTES_MAX]

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()


async def run_to_its_end(
    command: Sequence[str], *, environment: Mapping[str, str], directory: Path, timeout_s: float
) -> Ended:
    """Run a command until it ends, or is given up; all that it started ends with it."""
    transport, listener = await asyncio.get_running_loop().subprocess_exec(
        _Listener,
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGKILL),
    )
    given_up = False
    try:
        try:
            await asyncio.wait_for(listener.exited.wait(), timeout_s)
        except TimeoutError:
            given_up = True
            transport.send_signal(signal.SIGABRT)
            await _within_grace(listener.exited)
        with suppress(ProcessLookupError):
            killpg(transport.get_pid(), signal.SIGKILL)
        await _within_grace(listener.closed)
        status = None if given_up else transport.get_returncode()
        return Ended(status, bytes(listener.written[_OUTPUT]), bytes(listener.written[_ERRORS]))
    finally:
        with suppress(ProcessLookupError):
            killpg(transport.get_pid(), signal.SIGKILL)
        transport.close()


async def _within_grace(event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), _GRACE_S)
