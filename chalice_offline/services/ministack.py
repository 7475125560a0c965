"""MiniStack as the local SQS: a child on loopback that keeps its queues in the state directory.

It serves callers that sign with the state directory's credentials, and only services that are used
(``emulator_guard``).

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
from chalice_offline.services.ports import LOOPBACK
from chalice_offline.state_dir import StateDir
from chalice_offline.variables import EMULATOR_SERVICES_VARIABLE, OPEN_APIS_VARIABLE

# Saving its state takes MiniStack about 2.5 s.
_STOP_PATIENCE_S: Final = 10.0
_ABOVE_PACKAGE: Final = Path(__file__).parents[2]
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE")


class Ministack:
    """The managed emulator. ``endpoint`` is valid from the start; it answers once ``start`` has returned."""

    def __init__(
        self,
        state: StateDir,
        port: int,
        register: ChildRegister,
        log: Log,
        on_restarted: Callable[[], Awaitable[None]],
        *,
        services: Sequence[str],
        has_open_apis: bool = False,
    ) -> None:
        """``services`` by their signing names; ``has_open_apis`` lets clients of deployed APIs in."""
        self.endpoint = f"http://{LOOPBACK}:{port}"
        self._port = port
        folder = state.folder("ministack")
        # Of a cloud, it is not known whether anything was asked of its queues.
        self._keeps_queues = not has_open_apis
        self._has_queues = False
        self._saved = folder / "state" / "sqs.json"
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": LOOPBACK,
            # Else it also listens on port 8883 of every address.
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
            "TMPDIR": str(state.folder("ministack/tmp")),
            "LOG_LEVEL": "WARNING",
            # What the guard takes, and what MiniStack hands to functions that it runs.
            **state.emulator_credentials(),
            EMULATOR_SERVICES_VARIABLE: ",".join(services),
            OPEN_APIS_VARIABLE: "1" if has_open_apis else "0",
        }
        if not has_open_apis:
            # Then nothing of it needs the others.
            environment["SERVICES"] = ",".join(services)
        spec = DaemonSpec(
            name="ministack",
            command=(
                sys.executable,
                "-m",
                "uvicorn",
                "chalice_offline.services.guarded_emulator:app",
                *_server_options(port),
            ),
            environment=environment,
            log_path=state.folder("logs") / "ministack.log",
            is_ready=self._is_ready,
            stop_signal=signal.SIGTERM,
            stop_patience_s=_STOP_PATIENCE_S,
            on_restarted=on_restarted,
        )
        self._daemon = Daemon(spec, register, log)

    async def start(self) -> None:
        await self._daemon.start()
        self._has_queues = self._keeps_queues

    async def stop(self, *, is_hurried: bool = False) -> None:
        """Stop it, which writes its queues to disk, and say if it could not.

        Raises:
            DaemonError: They are not on disk; they were not waited for if ``is_hurried``.
        """
        before, self._has_queues = _changed_at(self._saved), self._has_queues and not is_hurried
        await self._daemon.stop(is_hurried=is_hurried)
        # It would only log a failure, perhaps to the disk that is full.
        if self._has_queues and _changed_at(self._saved) == before:
            self._has_queues = False
            raise DaemonError(f"the queues could not be saved to {self._saved}: what was in them is lost")

    async def _is_ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
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


def _server_options(port: int) -> Sequence[str]:
    """Return how uvicorn serves MiniStack's application:
    a send costs half of what its own server, hypercorn, takes.
    """
    options = ["--host", LOOPBACK, "--port", str(port), "--log-level", "warning"]
    # Application and protocol are found from here, wherever the runtime was started.
    protocol = [
        "--app-dir",
        str(_ABOVE_PACKAGE),
        "--http",
        "chalice_offline.services.emulator_http:EmulatorHttp",
    ]
    # AWS sends one Date, which MiniStack adds itself, and does not name its server.
    headers = ["--no-date-header", "--no-server-header"]
    # A long poll that is still open must not hold up the end, in which the queues are saved.
    patience = ["--timeout-graceful-shutdown", "1", "--timeout-keep-alive", "75"]
    return [*options, *protocol, *patience, "--no-access-log", "--no-proxy-headers", *headers]


def _changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
