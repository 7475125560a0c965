"""A proxy that puts the sessions of its clients behind one another, as a pooler of transactions does."""

import socket
import threading
from contextlib import suppress
from typing import Final

_BYTES: Final = 1 << 16


class SwappingProxy:
    """Hands bytes on between clients and sessions, each client's to the session that is behind it now."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        self._sessions: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def swap(self) -> None:
        """Put each session behind the client before, the first behind the last; nothing may be under way."""
        self._sessions.append(self._sessions.pop(0))

    def close(self) -> None:
        for each in (self._listener, *self._clients, *self._sessions):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._clients, *self._sessions):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            session = socket.create_connection(self._server)
            self._clients.append(client)
            self._sessions.append(session)
            for source, sources, targets in (
                (client, self._clients, self._sessions),
                (session, self._sessions, self._clients),
            ):
                thread = threading.Thread(target=_hand_on, args=(source, sources, targets), daemon=True)
                self._threads.append(thread)
                thread.start()


def _hand_on(source: socket.socket, sources: list[socket.socket], targets: list[socket.socket]) -> None:
    """Hand on what comes, until it ends, to what has the same place as its source has then."""
    with suppress(OSError):
        while data := source.recv(_BYTES):
            targets[sources.index(source)].sendall(data)
    with suppress(OSError):
        targets[sources.index(source)].shutdown(socket.SHUT_RDWR)
