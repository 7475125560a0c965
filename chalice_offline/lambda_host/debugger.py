"""A debugger within an execution environment: pdb in the runtime's terminal, or debugpy on a port.

It stands alone, as ``bootstrap.py`` does. An environment has no terminal of its own: it opens the runtime's
by its path, and a developer at a breakpoint has it until the function goes on.
"""

import fcntl
import importlib
import os
import pdb  # noqa: T100  # a debugger is what this is
import sys
import time
from contextlib import suppress
from typing import Any

_PORT_TIMEOUT_S = 10.0


def install(description: dict[str, Any]) -> "TerminalPdb | None":
    """Let breakpoints stop; return the debugger that ``TerminalPdb.end`` is to be called of."""
    if description["debugpy_port"] is not None:
        _listen(description["debugpy_port"])
        return None
    if description["terminal"] is None:
        sys.breakpointhook = _no_terminal
        return None
    # Of another session: it must not become this one's controlling terminal.
    debugger = TerminalPdb(os.open(description["terminal"], os.O_RDWR | os.O_NOCTTY))
    sys.breakpointhook = debugger.stop_in_caller
    pdb.set_trace = debugger.stop_in_caller
    return debugger


class TerminalPdb(pdb.Pdb):
    """pdb on a terminal that other environments may want too."""

    def __init__(self, terminal: int) -> None:
        """``terminal`` is a descriptor, for good."""
        self._terminal = terminal
        self._has_terminal = False
        reader = os.fdopen(terminal, encoding="utf-8", closefd=False)
        writer = os.fdopen(terminal, "w", encoding="utf-8", closefd=False)
        super().__init__(stdin=reader, stdout=writer, nosigint=True, readrc=False)

    def stop_in_caller(self, *_: object, **__: object) -> None:
        """Stop in the caller: ``breakpoint`` and ``pdb.set_trace``."""
        self.set_trace(sys._getframe(1))  # noqa: SLF001  # as pdb itself does

    def interaction(self, *arguments: Any) -> None:
        self._take()
        super().interaction(*arguments)

    def set_continue(self) -> None:
        super().set_continue()
        self._leave()

    def set_quit(self) -> None:
        super().set_quit()
        self._leave()

    def end(self) -> None:
        """The invocation has ended, whatever steps were still to come."""
        sys.settrace(None)
        self._leave()

    def _take(self) -> None:
        if not self._has_terminal:
            with suppress(OSError):  # a terminal that cannot be locked is shared
                fcntl.flock(self._terminal, fcntl.LOCK_EX)
            self._has_terminal = True

    def _leave(self) -> None:
        if self._has_terminal:
            with suppress(OSError):
                fcntl.flock(self._terminal, fcntl.LOCK_UN)
            self._has_terminal = False


def _no_terminal(*_: object, **__: object) -> None:
    sys.stdout.write("breakpoint passed: the runtime has no terminal; --debugpy PORT needs none\n")


def _listen(port: int) -> None:
    # The runtime's interpreter is not for debuggers to judge.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        debugpy = importlib.import_module("debugpy")
    except ImportError:
        sys.stdout.write(
            f"no debugger: install debugpy beside the app: {sys.executable} -m pip install debugpy\n"
        )
        return
    deadline = time.monotonic() + _PORT_TIMEOUT_S
    while True:
        try:
            debugpy.listen(("127.0.0.1", port))
            break
        except (RuntimeError, OSError) as error:  # the environment before this one may not have let go
            if time.monotonic() > deadline:
                sys.stdout.write(f"no debugger: cannot listen on port {port}: {error}\n")
                return
            time.sleep(0.1)
    # Stops if a debugger is attached, and else does nothing.
    sys.breakpointhook = debugpy.breakpoint
    os.environ.pop("PYTHONBREAKPOINT", None)
