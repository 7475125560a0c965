"""A PostgreSQL server of our own on loopback, its data in the state directory. Durable: fsync stays on."""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from chalice_offline.logs import Log
from chalice_offline.services.children import ChildRegister, command_line, started_at
from chalice_offline.services.daemon import Daemon, DaemonError, DaemonSpec
from chalice_offline.services.ports import LOOPBACK
from chalice_offline.services.postgres_binaries import postgres_binaries
from chalice_offline.services.privileges import become_nobody, die_with_parent, runs_as_root, unprivileged_ids
from chalice_offline.state_dir import StateDir, write_private

USER: Final = "app"
DATABASE: Final = "app"
_NAME: Final = "postgres"
_STOP_TIMEOUT_S: Final = 10.0
_END_POLL_S: Final = 0.05
# What a killed server leaves behind has ended after so long, or does not end by itself.
_WAY_FREE_WITHIN_S: Final = 10.0
_SETUP_TIMEOUT_S: Final = 60.0
# Line 8 of postmaster.pid says how far the server is (utils/pidfile.h).
_STATUS_LINE: Final = 7
# What a client sent, and the rows that it would have made, are in errors and their details. The client is
# sent them; the log keeps what the server has to say of itself (runtime-config-logging.html in the manual).
_LOG_WITHOUT_DATA: Final = {
    "log_min_messages": "log",  # above ``error`` in this setting's order
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}
# Half of the server's own default; what does not fit is in the system's cache, a copy away. The log's buffers
# would be a 32nd part of it.
_MEMORY: Final = {"shared_buffers": "64MB", "wal_buffers": "4MB"}
# A connection that does not say who it is; one of ``max_connections`` while it lasts.
_AUTHENTICATION_S: Final = 10


class Postgres:
    """The managed server. The addresses are valid from the start; it answers once ``start`` has returned.

    Attributes:
        url: For the owner of the server.
        functions_url: For functions: the same, or that of a login that has yet to be made.
    """

    def __init__(
        self,
        state: StateDir,
        port: int,
        register: ChildRegister,
        log: Log,
        *,
        functions_login: str | None = None,
    ) -> None:
        self._data = state.folder("postgres") / "data"
        self._port = port
        self._password = state.secret("POSTGRES_PASSWORD")
        self._log_path = state.folder("logs") / "postgres.log"
        self._register = register
        self._log = log
        self._daemon: Daemon | None = None
        self.url = self.functions_url = f"postgresql://{USER}:{self._password}@{LOOPBACK}:{port}/{DATABASE}"
        if functions_login is not None:
            password = state.secret("FUNCTIONS_POSTGRES_PASSWORD")
            self.functions_url = f"postgresql://{functions_login}:{password}@{LOOPBACK}:{port}/{DATABASE}"

    async def start(self) -> None:
        """Create the cluster if there is none, start the server and create the database.

        Raises:
            PostgresMissingError: No server programs.
            DaemonError: The cluster could not be made, or the server did not start.
        """
        binaries = postgres_binaries()
        if not (self._data / "PG_VERSION").exists():
            await asyncio.to_thread(self._initialise, binaries)
        self._daemon = Daemon(self._spec(binaries), self._register, self._log)
        await self._start_server(self._daemon)
        created = self._data.parent / "database-created"
        if not created.exists():
            await asyncio.to_thread(self._create_database, binaries)
            created.touch()

    async def stop(self, *, is_hurried: bool = False) -> None:
        if self._daemon is not None:
            await self._daemon.stop(is_hurried=is_hurried)

    async def _start_server(self, daemon: Daemon) -> None:
        """Start the server; again while another's file is there, as of one that was killed a moment ago and
        whose processes have yet to end.
        """
        deadline = time.monotonic() + _WAY_FREE_WITHIN_S
        while True:
            try:
                return await daemon.start()
            except DaemonError:
                # A server that ends by itself removes its own.
                if not self._pid_file() or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_END_POLL_S)

    def _spec(self, binaries: Path) -> DaemonSpec:
        prepare = become_nobody(signal.SIGINT) if runs_as_root() else die_with_parent(signal.SIGINT)
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": "100",
            **_MEMORY,
            "authentication_timeout": str(_AUTHENTICATION_S),
            **_LOG_WITHOUT_DATA,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return DaemonSpec(
            name=_NAME,
            command=(str(binaries / "postgres"), "-D", str(self._data), "-p", str(self._port), *options),
            environment=_environment(),
            log_path=self._log_path,
            is_ready=self._is_ready,
            # The fast shutdown: sessions are ended, the data is checkpointed.
            stop_signal=signal.SIGINT,
            stop_timeout_s=_STOP_TIMEOUT_S,
            prepare=prepare,
            make_way=self._make_way,
        )

    async def _is_ready(self) -> bool:
        lines = self._pid_file()
        # A killed server leaves a file behind that says "ready" until the next one writes its own.
        is_ours = len(lines) > _STATUS_LINE and int(lines[0]) in self._register.pids().get(_NAME, [])
        return is_ours and lines[_STATUS_LINE].strip() == "ready" and started_at(int(lines[0])) is not None

    async def _make_way(self) -> None:
        await self._end_another()
        self._take_over_pid_file()

    async def _end_another(self) -> None:
        """End a server that another program started on our data, as ``pg_ctl restart`` does.

        It would keep ours from starting, and stay behind when the runtime stops. At first as ``pg_ctl stop``
        does; a server that does not end by that is told to leave at once, which loses nothing either.
        """
        lines = self._pid_file()
        pid = int(lines[0]) if lines else 0
        for number in (signal.SIGINT, signal.SIGQUIT):
            if pid == 0 or not self._is_server_of_ours(pid):
                return
            self._log.event("warning", "another program's postgres is ended", pid=pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(_ended(pid), _STOP_TIMEOUT_S)

    def _take_over_pid_file(self) -> None:
        """Have a killed server's file name this process, if the one that it names is there: not reaped yet,
        or another program by now.

        A server takes that one for another server and ends, but not its own parent (miscinit.c). The file
        itself has to stay: by what else it says the server finds out whether the killed one's children are
        at work on the data still.
        """
        lines = self._pid_file()
        # Any server is left its file, as one that knows this folder by another path: it ends without.
        if not lines or not _is_there(int(lines[0])) or "postgres" in command_line(int(lines[0])):
            return
        with (self._data / "postmaster.pid").open("r+") as file:  # never empty: no server starts beside that
            file.write("\n".join([str(os.getpid()), *lines[1:], ""]))
            file.truncate()

    def _is_server_of_ours(self, pid: int) -> bool:
        """Return whether a process serves our data. The file of a killed server may name any process."""
        shown = command_line(pid)
        return "postgres" in shown and str(self._data) in shown

    def _pid_file(self) -> list[str]:
        """Return the lines of ``postmaster.pid``; none where no server has written its own."""
        try:
            lines = (self._data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        return lines if lines and lines[0].isdecimal() else []

    def _initialise(self, binaries: Path) -> None:
        draft = self._data.with_name("data.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = self._data.with_name("password")
        write_private(password_file, self._password)
        if runs_as_root():
            for path in (draft, password_file):
                os.chown(path, *unprivileged_ids())
        locale = ("-E", "UTF8", "--locale-provider=libc", "--no-locale")
        try:
            initdb = [str(binaries / "initdb"), "-D", str(draft), "-U", USER, "-A", "scram-sha-256"]
            self._run([*initdb, *locale, f"--pwfile={password_file}"])
        finally:
            password_file.unlink()
        # Renamed when complete: an interrupted initdb leaves nothing that looks like a cluster.
        draft.rename(self._data)

    def _create_database(self, binaries: Path) -> None:
        self._run(
            (str(binaries / "createdb"), "-h", LOOPBACK, "-p", str(self._port), "-U", USER, DATABASE),
            tolerated="already exists",
        )

    def _run(self, command: Sequence[str], tolerated: str | None = None) -> None:
        done = subprocess.run(
            command,
            env={**_environment(), "PGPASSWORD": self._password},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SETUP_TIMEOUT_S,
            # Between fork and exec it makes only system calls.
            preexec_fn=become_nobody(signal.SIGKILL) if runs_as_root() else die_with_parent(signal.SIGKILL),
        )
        if done.returncode != 0 and not (tolerated and tolerated in done.stderr):
            raise DaemonError(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def _is_there(pid: int) -> bool:
    """Return whether there is a process, if only what is left of one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


async def _ended(pid: int) -> None:
    while started_at(pid) is not None:  # noqa: ASYNC110  # no event tells of a process that is no child of ours
        await asyncio.sleep(_END_POLL_S)


def _environment() -> dict[str, str]:
    """Return what the server's programs need and nothing that would redirect them (PGDATA,
    PGHOST and so on).
    """
    kept = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
