"""MiniStack as the local AWS.

A child on loopback that keeps its queues, tables and so on in the state directory.

Its port listens from the start, and it starts when it is first asked for something, as an app may do while it
is imported, or never. It serves clients that sign with the state directory's credentials, and what was asked
of it (``emulator_guard``).

MiniStack writes its queues only when it is stopped in order, so a kill -9 of it loses what was
queued since.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.daemon import Daemon, DaemonError, DaemonSpec
from chalice_offline.services.doorway import Doorway
from chalice_offline.services.ports import LOOPBACK
from chalice_offline.state_dir import StateDir
from chalice_offline.supervision import spawn
from chalice_offline.variables import EMULATOR_SERVICES_VARIABLE, OPEN_APIS_VARIABLE

# Saving its state takes MiniStack about 2.5 s.
_STOP_TIMEOUT_S: Final = 10.0
_ABOVE_PACKAGE: Final = Path(__file__).parents[2]
_SERVE: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('chalice_offline.services.emulator_server', run_name='__main__')"
)
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE")


class Ministack:
    """The managed emulator. ``endpoint`` is valid from the start; it answers once ``start`` has returned,
    and after ``start_when_asked`` for the first client.
    """

    def __init__(
        self,
        state: StateDir,
        port: int,
        register: ChildRegister,
        log: Log,
        on_restarted: Callable[[], Awaitable[None]],
        *,
        services: Sequence[str] | None = None,
        has_open_apis: bool = False,
    ) -> None:
        """Listen on the port.

        Args:
            services: By their signing names; None for all.
            has_open_apis: Lets clients of deployed APIs in.

        Raises:
            OSError: The port is taken.
        """
        self._door = Doorway(LOOPBACK, port)
        self.port = self._door.port
        self.endpoint = f"http://{LOOPBACK}:{self.port}"
        self._log = log
        self._starting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        folder = state.folder("ministack")
        # Whether queues must be saved: of a cloud, it is not known whether anything was asked of them.
        self._has_queues = False
        self._saved = folder / "state" / "sqs.json"
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": LOOPBACK,
            # Else it also listens on port 8883 of every address.
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
            "S3_PERSIST": "1",
            "TMPDIR": str(state.folder("ministack/tmp")),
            "LOG_LEVEL": "WARNING",
            # What the guard takes, and what MiniStack hands to functions that it runs.
            **state.emulator_credentials(),
            EMULATOR_SERVICES_VARIABLE: ",".join(services or ()),
            OPEN_APIS_VARIABLE: "1" if has_open_apis else "0",
        }
        spec = DaemonSpec(
            name="ministack",
            # Not by PYTHONPATH, which functions that it runs would have as well.
            command=(sys.executable, "-P", "-c", _SERVE, str(_ABOVE_PACKAGE), str(self._door.descriptor)),
            descriptors=(self._door.descriptor,),
            environment=environment,
            log_path=state.folder("logs") / "ministack.log",
            is_ready=self._is_ready,
            stop_signal=signal.SIGTERM,
            stop_timeout_s=_STOP_TIMEOUT_S,
            on_restarted=on_restarted,
        )
        self._daemon = Daemon(spec, register, log)

    def start_when_asked(self) -> None:
        """Start when a client connects."""
        self._door.await_first(lambda: spawn("starting the emulator", self._start_for_caller(), self._tasks))

    async def start(self, *, keeps_queues: bool = False) -> None:
        """Start, or wait until a start that has begun is done.

        Args:
            keeps_queues: Whether a stop that cannot save the queues is an error.

        Raises:
            DaemonError: It did not start.
        """
        self._door.let_wait()
        if self._starting is None:
            self._starting = asyncio.create_task(self._daemon.start())
        await asyncio.shield(self._starting)
        self._has_queues = self._has_queues or keeps_queues

    async def _start_for_caller(self) -> None:
        try:
            await self.start()
        except (DaemonError, OSError) as error:
            self._log.event("error", "the emulator did not start", reason=str(error))
            self._starting = None
            self._door.turn_away()
            self.start_when_asked()

    async def stop(self, *, is_hurried: bool = False) -> None:
        """Stop it, which writes its queues to disk, and say if it could not.

        Raises:
            DaemonError: They are not on disk; they were not waited for if ``is_hurried``.
        """
        self._door.let_wait()
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.wait({self._starting})
        before, self._has_queues = _changed_at(self._saved), self._has_queues and not is_hurried
        await self._daemon.stop(is_hurried=is_hurried)
        self._door.close()
        # It would only log a failure, perhaps to the disk that is full.
        if self._has_queues and _changed_at(self._saved) == before:
            self._has_queues = False
            raise DaemonError(f"the queues could not be saved to {self._saved}: what was in them is lost")

    async def _is_ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        try:
            writer.write(b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            # It listens when it is ready; its guard refuses this one, which is an answer too.
            return b" 403 " in await asyncio.wait_for(reader.readline(), 2)
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()


def _changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
