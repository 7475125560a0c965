"""``--debug``: how functions are debugged, and how long all is then to wait."""

import os
from typing import Any, Final

from chalice_offline.services.ports import LOOPBACK

DEBUGGING_TIMEOUT_S: Final = 86_400.0
"""Instead of every time-out: no developer looks at one line for longer than a day."""


class Debugging:
    """Either the terminal belongs to ``breakpoint()``, or each function has a port for debugpy."""

    def __init__(self, *, terminal: str | None, first_port: int | None = None) -> None:
        """``terminal`` is a device's path; ``first_port`` that of the first function that asks."""
        self._terminal = terminal
        self._first_port = first_port
        # A function keeps its port when its code is reloaded, so that an editor's settings stay right.
        self._ports: dict[str, int] = {}

    def of(self, function_name: str) -> dict[str, Any]:
        """Return what an environment of a function has to know, as JSON."""
        return {"terminal": self._terminal, "debugpy_port": self._port(function_name)}

    def addresses(self) -> list[str]:
        """Return where debuggers attach, with the function."""
        return [f"debugpy {LOOPBACK}:{port} {name}" for name, port in self._ports.items()]

    def _port(self, function_name: str) -> int | None:
        if self._first_port is None:
            return None
        return self._ports.setdefault(function_name, self._first_port + len(self._ports))


def terminal_of(descriptor: int = 0) -> str | None:
    """Return the terminal that a descriptor, standard input unless given, is open on; None if it is none."""
    try:
        return os.ttyname(descriptor)
    except OSError:
        return None
