"""The program that execution environments are forked from: an
interpreter with the heavy libraries already imported.

A cold start then costs the app's own modules, not boto3's. Nothing of the app is imported here: every
environment imports it afresh, with its own variables, as on Lambda. Unless the runtime asks this program to
become a snapshot: then it imports the app, once for all environments that it forks from there on.

Run as ``python -P fork_server.py SOCKET_FD PRELOAD_JSON SIMPLEJSON_DIR``: the last is the package that
results are written with where the interpreter, which may be the app's own, has none. Each request is a 4-byte
length that carries two descriptors (the environment's socket and its output), then a JSON document;
reports go back as frames: ``{"started": pid}`` for each request, in order, or ``{"refused":
why}``; and ``{"exited": pid, "status": …}``. The request for a snapshot carries its output alone, and is
answered with ``{"snapshot": null}``, or with the reason why there is none, which is the last answer. Without
a runtime that asks, the program ends with its last environment.
"""

import ctypes
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_IS_LINUX = sys.platform == "linux"
_NEIGHBOURS = ("bootstrap", "lambda_logging", "lambda_marshaller", "private_tmp", "shared_import")


class Origin(NamedTuple):
    """What a process that forks hands on.

    Attributes:
        private_tmp: None if the kernel allows none.
        imported: What the import of the app left (``shared_import.Imported``), in a snapshot.
    """

    bootstrap: ModuleType
    shared_import: ModuleType
    private_tmp: ModuleType | None
    imported: Any = None


def preload(names: list[str]) -> None:
    """Import what is there; a missing library is the function's problem, if it is one."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def lend_simplejson(folder: str) -> bool:
    """Import simplejson from a folder of ours unless the interpreter has it; return whether it was lent."""
    if importlib.util.find_spec("simplejson") is not None:
        return False
    spec = importlib.util.spec_from_file_location(
        "simplejson", f"{folder}/__init__.py", submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["simplejson"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return True


def load_neighbours(simplejson: str) -> Origin:
    """Import the neighbour modules without leaving their directory, or their names, to functions."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    is_lent = lend_simplejson(simplejson)
    try:
        names = ("bootstrap", "shared_import", "private_tmp")
        return Origin(*(importlib.import_module(name) for name in names))
    finally:
        sys.path.remove(folder)
        for name in _NEIGHBOURS:
            # An app may have a module of that name.
            sys.modules.pop(name, None)
        for name in [name for name in sys.modules if is_lent and name.partition(".")[0] == "simplejson"]:
            # On Lambda it is the runtime's alone as well.
            del sys.modules[name]


def take_tmp(request: dict[str, Any], private_tmp: ModuleType | None) -> str:
    """Take a ``/tmp`` of the environment's own; return where its temporary files go."""
    folder: str = request["tmp"]
    if private_tmp is None:
        return folder
    task_root = request["task_root"]
    # A project's links lead to code as well (chalicelib).
    code = [
        task_root,
        *(entry.path for entry in os.scandir(task_root)),
        sys.prefix,
        sys.base_prefix,
        *sys.path,
        *request.get("kept", ()),
    ]
    # A snapshot's environments see what it sees. It, and those that are started with the servers, may be
    # there before some of what variables name.
    named = private_tmp.named_paths([*request["environment"].values(), *request.get("named", ())])
    try:
        private_tmp.enter(folder, [*code, *private_tmp.places_of(named)])
    except OSError as error:
        sys.stderr.write(f"no /tmp of its own: {error}\n")
        return folder
    tmp: str = private_tmp.TMP
    return tmp


def settle(request: dict[str, Any], origin: Origin, output_fd: int) -> None:
    """Take the place that a request describes: own output, own variables, own ``/tmp``."""
    tmp = take_tmp(request, origin.private_tmp) if request.get("tmp") else None
    # Later than that: a change of namespace clears it.
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    if tmp is not None:
        os.environ["TMPDIR"] = tmp
        tempfile.tempdir = None  # what was found for the fork server
    if origin.imported is not None:
        for name, value in origin.imported.variables.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    os.chdir(request["task_root"] if origin.imported is None else origin.imported.folder)
    time.tzset()


def become_environment(request: dict[str, Any], origin: Origin, connection_fd: int, output_fd: int) -> None:
    """Turn the forked child into an environment: own session, own connection, own place."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    settle(request, origin, output_fd)
    os.dup2(connection_fd, 3)
    os.closerange(4, 64)


def fork(origin: Origin, connection: socket.socket, request: dict[str, Any], fds: list[int]) -> int:
    """Fork; the child serves its function and never returns.

    Raises:
        OSError: The system has no process, or no memory, left to give.
    """
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid:
            for descriptor in fds:
                os.close(descriptor)
    if pid:
        return pid
    status = 1
    try:
        # Whatever its number is: an environment that held it would hide the end of this program.
        connection.close()
        become_environment(request, origin, *fds)
        sys.argv = ["bootstrap", "3", request["description"]]
        origin.bootstrap.main(None if origin.imported is None else origin.imported.log)
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
        if exit_.code is not None and not isinstance(exit_.code, int):
            sys.stderr.write(f"{exit_.code}\n")
    except BaseException as error:  # noqa: BLE001  # nothing may fall back into the server's loop
        sys.stderr.write(crash(error))
    finally:
        try:
            sys.stdout.flush()  # which the app may have closed
        finally:
            os._exit(status)


def crash(error: BaseException) -> str:
    """Return what ended an environment as Python prints it, without frames of our own in front."""
    own = str(Path(__file__).parent)
    trace = error.__traceback__
    while trace is not None and str(Path(trace.tb_frame.f_code.co_filename).parent) == own:
        trace = trace.tb_next
    return "".join(traceback.format_exception(error.with_traceback(trace)))


def serve_snapshot(
    connection: socket.socket, origin: Origin, request: dict[str, Any], output_fd: int
) -> None:
    """Import the app and fork environments that have it; or say why they cannot, and return."""
    settle(request, origin, output_fd)
    os.close(output_fd)
    sys.argv = ["bootstrap"]
    origin.bootstrap.print_line_by_line()
    wanted, why_not = request["snapshot"], None
    shared_import = origin.shared_import
    try:
        imported = shared_import.import_once(
            origin.bootstrap, request["task_root"], wanted["modules"], wanted["watched"]
        )
    except shared_import.NotShareableError as error:
        why_not = str(error)
    # What is in its buffers, each environment would print again.
    sys.stdout.flush()
    sys.stderr.flush()
    origin.bootstrap.send(connection, json.dumps({"snapshot": why_not}).encode())
    if why_not is None:
        serve_forks(connection, origin._replace(imported=imported))


def read_request(connection: socket.socket, bootstrap: ModuleType) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next request and its descriptors; None when the runtime has gone."""
    header, fds, _, _ = socket.recv_fds(connection, 4, 2)
    if len(header) < 4:
        return None
    document: dict[str, Any] = json.loads(bootstrap.read_exactly(connection, int.from_bytes(header, "big")))
    return document, fds


class Forked:
    """The environments that a server has forked.

    Attributes:
        running: The name of the folder that each has as its ``/tmp``, by process; empty if it has none.
        ended: Those of environments that have ended.
    """

    def __init__(self) -> None:
        self.running: dict[int, str] = {}
        self.ended: set[str] = set()

    def end(self, pid: int) -> None:
        if tmp := self.running.pop(pid):
            self.ended.add(tmp)


def report_exits(connection: socket.socket, bootstrap: ModuleType, forked: Forked) -> bool:
    """Report the environments that have ended, with what they started; return whether there are others."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        is_environment = pid in forked.running
        if is_environment:
            forked.end(pid)
            with suppress(OSError):  # nothing that it started is left in its process group
                os.killpg(pid, signal.SIGKILL)
        end_strays(forked)
        if is_environment:
            report = {"exited": pid, "status": os.waitstatus_to_exitcode(status)}
            bootstrap.send(connection, json.dumps(report).encode())


def end_strays(forked: Forked) -> None:
    """End programs in sessions of their own whose environments have ended: they are children of this process
    now. Those that an environment which goes on has left are as well, and whose ``/tmp`` cannot be told may
    be: these end with the last one.
    """
    if not _IS_LINUX:
        return
    with suppress(OSError):  # a kernel that does not list children
        for child in map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()):
            if child not in forked.running and (not forked.running or tmp_of(child) & forked.ended):
                with suppress(OSError):  # it is another user's
                    os.kill(child, signal.SIGKILL)


def tmp_of(pid: int) -> set[str]:
    """Return the names of the folders that are mounted as a process's ``/tmp``, each above those before it:
    also in a namespace of its own. None can be told of a process that lets others not look.
    """
    try:
        mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    except OSError:
        return set()
    # proc_pid_mountinfo(5): the fourth field is what is mounted, the fifth where.
    return {Path(mount[3].removesuffix("//deleted")).name for mount in mounts if mount[4] == "/tmp"}  # noqa: S108


def serve_forks(connection: socket.socket, origin: Origin) -> None:
    """Fork as the runtime asks for it, until it asks no more and the last child has ended;
    as a snapshot, if it asks for one.
    """
    # What is here now is never garbage: a collection in a child must not copy its pages.
    gc.collect()
    gc.freeze()
    if _IS_LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    forked = Forked()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    bootstrap = origin.bootstrap
    awaited, has_children = [connection.fileno(), wake_read], True
    snapshot = None
    while snapshot is None and (connection.fileno() in awaited or has_children):
        readable, _, _ = select.select(awaited, [], [])
        if wake_read in readable:
            os.read(wake_read, 512)
            has_children = report_exits(connection, bootstrap, forked)
        if connection.fileno() in readable:
            received = read_request(connection, bootstrap)
            if received is None:
                awaited = [wake_read]
                has_children = report_exits(connection, bootstrap, forked)
                continue
            if "snapshot" in received[0]:
                snapshot = received
                continue
            try:
                pid = fork(origin, connection, *received)
                forked.running[pid] = Path(received[0].get("tmp", "")).name
                report: dict[str, Any] = {"started": pid}
            except OSError as error:
                # Those that run go on: without this server the kernel would end them.
                report = {"refused": str(error)}
            bootstrap.send(connection, json.dumps(report).encode())
    if snapshot is not None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(wake_read)
        os.close(wake_write)
        request, (output_fd,) = snapshot
        serve_snapshot(connection, origin, request, output_fd)


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    # What is imported here stays: while libraries make it, there is no garbage to look for.
    gc.disable()
    preload(json.loads(sys.argv[2]))
    origin = load_neighbours(sys.argv[3])
    if origin.private_tmp is not None and not origin.private_tmp.is_possible():
        origin = origin._replace(private_tmp=None)
    # Ctrl-C goes to the whole foreground; the runtime decides who ends when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.enable()
    serve_forks(connection, origin)


if __name__ == "__main__":
    main()
