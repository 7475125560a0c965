"""A project's own programs beside its functions: started, watched, restarted, and ended with the runtime.

What they print goes to the runtime's log behind their names. It takes the way over a file, so that a terminal
that is not read holds up none of them, and so that the last words of one that was killed are kept.
"""

import asyncio
import os
import shlex
import signal
import string
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chalice_offline.logs import Log
from chalice_offline.project.companion_table import PORT_MAX, CompanionTable
from chalice_offline.services.children import ChildRegister
from chalice_offline.services.daemon import Daemon, DaemonError, DaemonSpec
from chalice_offline.services.port_claims import PortClaims
from chalice_offline.services.ports import LOOPBACK, free_ports, is_taken
from chalice_offline.state_dir import StateDir
from chalice_offline.supervision import keep_going

_STOP_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 2.0
_FOLLOW_S: Final = 0.1
_LINE_BYTES_MAX: Final = 65_536
_FOLDER: Final = "companions"


class CompanionError(ValueError):
    """A companion is declared in a way that cannot be carried out; the message names the place."""

    def __init__(self, name: str, field: str, problem: str) -> None:
        super().__init__(f"local.toml: companion {name}: {field}: {problem}")


class Companions:
    """All that run with this instance. Ports are chosen at once, so that functions can be told of them."""

    def __init__(
        self,
        tables: Sequence[CompanionTable],
        known: Mapping[str, str],
        state: StateDir,
        register: ChildRegister,
        log: Log,
        *,
        app_dir: Path,
        interpreter: str,
    ) -> None:
        """Choose those that are wanted, and their ports.

        Args:
            known: Variables that texts may refer to, and that ``when`` asks for.

        Raises:
            CompanionError: A text refers to a variable that there is not, or two companions have one name.
        """
        self.gives: dict[str, str] = {}
        self.banner: list[str] = []
        self.ports: dict[str, int] = {}
        self._running: list[_Companion] = []
        self._claims = PortClaims()
        with ExitStack() as undo:
            undo.callback(self.release)
            for table in tables:
                if any(known.get(name, "") != value for name, value in table.when.items()):
                    continue
                if table.name in {one.name for one in self._running}:
                    raise CompanionError(table.name, "name", "there is another one of this name")
                folder = state.folder(f"{_FOLDER}/{table.name}")
                own = {"state": str(folder)}
                if table.port is not None:
                    preferred = _Texts(table.name, known).port(table.port)
                    self.ports[table.name] = _chosen(state, self._claims, table.name, preferred, table.ports)
                    own["port"] = str(self.ports[table.name])
                texts = _Texts(table.name, {**known, **own})
                self.gives |= texts.all_of("gives", table.gives)
                if table.says:
                    self.banner.append(texts.one("says", table.says))
                spec = _spec(
                    table,
                    texts,
                    path=f"{Path(interpreter).parent}{os.pathsep}{known.get('PATH', os.defpath)}",
                    known=known,
                    directory=app_dir / table.directory,
                    log_path=state.folder("logs") / f"{table.name}.log",
                )
                self._running.append(_Companion(spec, register, log))
            undo.pop_all()

    async def start(self) -> None:
        """Start them side by side, and return once all are ready.

        Raises:
            DaemonError: One was not, with what it printed.
        """
        await asyncio.gather(*(companion.start() for companion in self._running))

    async def stop(self, *, is_hurried: bool = False) -> None:
        """End them. Safe at any stage of ``start``."""
        await asyncio.gather(*(companion.stop(is_hurried=is_hurried) for companion in self._running))
        self.release()

    def release(self) -> None:
        """Leave their ports to other runtimes; ``stop`` does so, and where nothing was started this."""
        self._claims.release()


class _Companion:
    """One program, and the reader of what it prints."""

    def __init__(self, spec: DaemonSpec, register: ChildRegister, log: Log) -> None:
        self.name = spec.name
        self._log = log
        self._daemon = Daemon(spec, register, log)
        self._printed = _Follower(spec.log_path)
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._printed.begin()
        self._reader = keep_going(f"log of {self.name}", self._follow)
        try:
            await self._daemon.start()
        except (FileNotFoundError, PermissionError) as error:
            # A folder of the path that this user may not look into makes a program that is nowhere forbidden.
            is_nowhere = isinstance(error, FileNotFoundError) or os.sep not in str(error.filename)
            reason = f"there is no {error.filename}" if is_nowhere else f"{error.filename}: {error.strerror}"
            raise DaemonError(f"{self.name} cannot be run: {reason}") from error

    async def stop(self, *, is_hurried: bool) -> None:
        await self._daemon.stop(is_hurried=is_hurried)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
            self._reader = None
        self._tell()

    async def _follow(self) -> None:
        while True:
            self._tell()
            await asyncio.sleep(_FOLLOW_S)

    def _tell(self) -> None:
        if lines := self._printed.lines():
            self._log.function_lines(self.name, lines)


class _Follower:
    """Whole lines that a file has grown by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""

    def begin(self) -> None:
        """Empty the file: what an earlier run printed is of no use, and nothing else bounds it."""
        with suppress(FileNotFoundError):
            os.truncate(self._path, 0)
        self._read, self._rest = 0, b""

    def lines(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return []
        self._read += len(new)
        *whole, self._rest = (self._rest + new).split(b"\n")
        if len(self._rest) > _LINE_BYTES_MAX:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode(errors="replace").rstrip("\r") for line in whole]


class _Texts:
    """Texts of one companion's table, with what their references stand for."""

    def __init__(self, name: str, known: Mapping[str, str]) -> None:
        self._name, self._known = name, known

    def one(self, field: str, pattern: str) -> str:
        try:
            return string.Template(pattern).substitute(self._known)
        except KeyError as error:
            raise CompanionError(self._name, field, f"${{{error.args[0]}}} is not defined") from error
        except ValueError as error:
            raise CompanionError(self._name, field, f"{error}; a dollar sign is written as $$") from error

    def port(self, port: int | str) -> int:
        text = self.one("port", str(port))
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= PORT_MAX:
            raise CompanionError(self._name, "port", f"must be from 1 to {PORT_MAX}, not {text!r}")
        return int(text)

    def all_of(self, field: str, patterns: Mapping[str, str]) -> dict[str, str]:
        return {name: self.one(f"{field}.{name}", pattern) for name, pattern in patterns.items()}


def _spec(
    table: CompanionTable,
    texts: _Texts,
    *,
    path: str,
    known: Mapping[str, str],
    directory: Path,
    log_path: Path,
) -> DaemonSpec:
    try:
        # Split before references are filled in: a path with a space in it stays one argument.
        words = [texts.one("command", word) for word in shlex.split(table.command)]
    except ValueError as error:
        if isinstance(error, CompanionError):
            raise
        raise CompanionError(table.name, "command", str(error)) from error
    ready = texts.one("ready", table.ready) if table.ready else None

    async def is_ready() -> bool:
        return ready is None or await answers(ready)

    return DaemonSpec(
        name=table.name,
        command=tuple(words),
        environment={**known, "PATH": path, **texts.all_of("environment", table.environment)},
        log_path=log_path,
        is_ready=is_ready,
        stop_signal=signal.SIGTERM,
        stop_timeout_s=_STOP_TIMEOUT_S,
        directory=directory,
    )


async def answers(url: str) -> bool:
    """Return whether ``tcp://host:port`` accepts a connection,
    or ``http://host:port/path`` answers with a status 2xx.
    """
    address = urlsplit(url)
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(address.hostname, address.port or 80)
            try:
                if address.scheme == "tcp":
                    return True
                target = (address.path or "/") + (f"?{address.query}" if address.query else "")
                host = f"Host: {address.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(f"GET {target} HTTP/1.1\r\n{host}".encode())
                status = (await reader.readline()).split(b" ")
                return len(status) > 1 and status[1].startswith(b"2")
            finally:
                writer.close()
    except (OSError, ValueError, TimeoutError):
        return False


def _chosen(state: StateDir, claims: PortClaims, name: str, preferred: int, count: int) -> int:
    """Return the port of the last run, else the one that is preferred, else a free one; and keep it."""
    # A run that prefers another port now is not to get the one that was kept instead of the last.
    kept_as = f"{name} {preferred}"

    def is_ours(port: int) -> bool:
        # Claimed before it is asked for: another runtime's program may not listen yet.
        return claims.claim(port, count) and not any(
            is_taken(LOOPBACK, port + place) for place in range(count)
        )

    for port in (state.kept_port(kept_as), preferred):
        if port and is_ours(port):
            break
    else:
        while not claims.claim(port := free_ports(count), count):
            pass
    state.keep_port(kept_as, port)
    return port
