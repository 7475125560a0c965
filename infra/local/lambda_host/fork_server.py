"""The program that execution environments are forked from: an interpreter with the heavy libraries already imported.

A cold start then costs the app's own modules, not boto3's. Nothing of the app is imported here: every environment
imports it afresh, with its own variables, as on Lambda.

Run as ``python -P fork_server.py SOCKET_FD PRELOAD_JSON``. Each request is a 4-byte length that carries two descriptors
(the environment's socket and its output), then a JSON document; reports go back as frames: ``{"started": pid}`` for
each request, in order, and ``{"exited": pid, "status": …}``.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

_PR_SET_PDEATHSIG = 1


def preload(names: list[str]) -> None:
    """Import what is there; a missing library is the function's problem, if it is one."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def load_bootstrap() -> ModuleType:
    """Import the neighbour module without leaving its directory on the path of functions."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("bootstrap")
    finally:
        sys.path.remove(folder)


def become_environment(request: dict[str, Any], connection_fd: int, output_fd: int) -> None:
    """Turn the forked child into an environment: own session, own output, own variables."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.dup2(connection_fd, 3)
    os.closerange(4, 64)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["task_root"])
    time.tzset()


def fork_environment(
    bootstrap: ModuleType, connection: socket.socket, request: dict[str, Any], fds: list[int]
) -> int:
    """Fork; the child serves its function and never returns."""
    pid = os.fork()
    if pid:
        for descriptor in fds:
            os.close(descriptor)
        return pid
    status = 1
    try:
        connection.detach()
        become_environment(request, *fds)
        sys.argv = ["bootstrap", "3", request["description"]]
        bootstrap.main()
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException as error:  # noqa: BLE001  # nothing may fall back into the server's loop
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        sys.stdout.flush()
        os._exit(status)


def read_request(connection: socket.socket, bootstrap: ModuleType) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next request and its descriptors; None when the runtime has gone."""
    header, fds, _, _ = socket.recv_fds(connection, 4, 2)
    if len(header) < 4:
        return None
    document: dict[str, Any] = json.loads(bootstrap.read_exactly(connection, int.from_bytes(header, "big")))
    return document, fds


def report_exits(connection: socket.socket, bootstrap: ModuleType) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        report = {"exited": pid, "status": os.waitstatus_to_exitcode(status)}
        bootstrap.send(connection, json.dumps(report).encode())


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    preload(json.loads(sys.argv[2]))
    bootstrap = load_bootstrap()
    # What is here now is never garbage: a collection in a child must not copy its pages.
    gc.collect()
    gc.freeze()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C goes to the whole foreground; the runtime decides who ends when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        readable, _, _ = select.select([connection.fileno(), wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 512)
            report_exits(connection, bootstrap)
        if connection.fileno() in readable:
            received = read_request(connection, bootstrap)
            if received is None:
                return
            pid = fork_environment(bootstrap, connection, *received)
            bootstrap.send(connection, json.dumps({"started": pid}).encode())


if __name__ == "__main__":
    main()
