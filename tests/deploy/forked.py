"""Environments of functions in MiniStack that begin with the libraries of their package imported.

By itself it starts an interpreter for each, which takes 1.2 s of processor time, most of it for libraries. So
the first environment of a package starts, and shows that all of it imports; those that come later are forked
from a process that has imported the libraries of that package, and take 0.3 s. The app is imported by each,
with its own variables.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final

LIBRARIES: Final = (
    "aws_lambda_powertools",
    "aws_lambda_powertools.utilities.parameters.secrets",
    "boto3",
    "botocore.handlers",
    "chalice",
    "pg8000.dbapi",
    "pydantic.main",
    "sqlalchemy.dialects.postgresql.pg8000",
    "urllib3",
)
_REQUEST_BYTES_MAX: Final = 128 * 1024


class Environments:
    """Starts environments, in MiniStack's process."""

    def __init__(self) -> None:
        self._lock = Lock()
        # By folder of code: none of the first environment, then where to ask for more.
        self._origins: dict[Path, _Origin | None] = {}

    def start(self, command: Sequence[str], **how: Any) -> "subprocess.Popen[str] | Forked":
        """Do what ``subprocess.Popen`` does for MiniStack."""
        code = Path(how["cwd"]).resolve()
        with self._lock:
            if code not in self._origins:
                self._origins[code] = None
                return subprocess.Popen(command, **how)
            origin = self._origins[code] or _Origin(command[0], code)
            self._origins[code] = origin
            return origin.fork(command[1], how["cwd"], how["env"])


class Forked:
    """A process that is used as ``subprocess.Popen`` is."""

    def __init__(
        self, origin: socket.socket, program: str, directory: str, variables: Mapping[str, str]
    ) -> None:
        given, self._stdin = os.pipe()
        self._stdout, printed = os.pipe()
        self._stderr, complained = os.pipe()
        self._life, told = os.pipe()
        request = json.dumps(
            {"program": program, "directory": directory, "variables": dict(variables)}
        ).encode()
        theirs = [given, printed, complained, told]
        assert len(request) <= _REQUEST_BYTES_MAX
        socket.send_fds(origin, [request], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self.stdin: IO[str] = os.fdopen(self._stdin, "w", buffering=1)
        self.stdout: IO[str] = os.fdopen(self._stdout)
        self.stderr: IO[str] = os.fdopen(self._stderr)
        self._reports = os.fdopen(self._life)
        self.pid = int(self._reports.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("environment", timeout or 0)
        return status

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._reports], [], [], timeout_s)[0]:
            self.returncode = int(self._reports.readline())
        return self.returncode


class _Origin:
    """The process that the environments of a package are forked from."""

    def __init__(self, interpreter: str, code: Path) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = (interpreter, "-m", __name__, str(code), str(theirs.fileno()))
        self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), start_new_session=True)
        theirs.close()
        atexit.register(self._end)

    def fork(self, program: str, directory: str, variables: Mapping[str, str]) -> Forked:
        return Forked(self._requests, program, directory, variables)

    def _end(self) -> None:
        # With all environments, and the one that a schedule or a queue has forked at this moment: it would be
        # waited for, and itself waits for what MiniStack says.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._requests.close()
        self._process.wait()


def _serve(code: str, requests: socket.socket) -> None:
    """Fork an environment for each request, until there is no one left to ask."""
    # As the environments' own program has it, whose folder comes before this.
    sys.path.insert(0, code)
    for name in LIBRARIES:
        import_module(name)
    sys.path.remove(code)
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES_MAX, 4)
        if not request:
            break
        if os.fork() == 0:
            requests.close()
            _watch(json.loads(request), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _watch(request: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """Fork the environment, and tell of its end."""
    *streams, told = descriptors
    child = os.fork()
    if child == 0:
        os.close(told)
        _run(request, streams)
    for descriptor in streams:
        os.close(descriptor)
    os.write(told, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Become the environment: an interpreter that was started with a program of MiniStack's."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["directory"])
    program: str = request["program"]
    sys.argv = [program]
    sys.path[0] = str(Path(program).parent)
    status = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except BaseException:  # noqa: BLE001  # as an interpreter says it
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
