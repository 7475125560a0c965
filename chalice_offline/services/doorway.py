"""A port that listens before its server runs, and whenever it does not.

Who connects waits instead of being refused.
"""

import socket
from asyncio import get_running_loop
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_BACKLOG: Final = 2048


class Doorway:
    """A listening socket of this process. The server inherits it, and accepts those who wait."""

    def __init__(self, host: str, port: int) -> None:
        """Raises ``OSError``: the address cannot be listened on."""
        self._socket = socket.create_server((host, port), backlog=_BACKLOG)
        self._socket.settimeout(0)
        self._is_watched = False

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def descriptor(self) -> int:
        """What the server inherits."""
        return self._socket.fileno()

    def await_first(self, on_first: Callable[[], object]) -> None:
        """Call back when a client connects, once."""

        def arrived() -> None:
            self.let_wait()
            on_first()

        get_running_loop().add_reader(self._socket, arrived)
        self._is_watched = True

    def let_wait(self) -> None:
        """Take no more notice of who connects."""
        if self._is_watched:
            get_running_loop().remove_reader(self._socket)
            self._is_watched = False

    def turn_away(self) -> None:
        """Close the connections of those who wait: there is no server."""
        with suppress(OSError):
            while True:
                self._socket.accept()[0].close()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self.let_wait()
            self._socket.close()
