"""A server that says on each connection what a test wants it to, whatever is asked."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final
from urllib.parse import SplitResult, urlsplit

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LAST: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


class ScriptedServer:
    """Answers the n-th request of each connection with the n-th part of its script, and hangs up at the end.

    Attributes:
        script: None stands for silence, until the next request.
        later: The script of every connection but the first, if it is another.
        connections: How many were accepted.
        piece_bytes: What it says leaves in pieces of so many bytes.
    """

    def __init__(self, script: Sequence[bytes | None]) -> None:
        self.script = script
        self.later: Sequence[bytes | None] | None = None
        self.connections = 0
        self.piece_bytes = 65_536
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def address(self) -> SplitResult:
        return urlsplit(f"http://127.0.0.1:{self._listener.getsockname()[1]}")

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            script = self.script if self.connections == 1 or self.later is None else self.later
            self._open.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Thread(target=self._talk, args=(connection, script), daemon=True).start()

    def close(self) -> None:
        # Closing alone would leave ``accept`` waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _talk(self, connection: socket.socket, script: Sequence[bytes | None]) -> None:
        # Its client may be gone, or the server closed, at any point.
        with suppress(OSError):
            for part in script:
                if not connection.recv(65_536):
                    break
                for start in range(0, len(part or b""), self.piece_bytes):
                    connection.sendall((part or b"")[start : start + self.piece_bytes])
        connection.close()


@contextmanager
def scripted_server(*script: bytes | None) -> Iterator[ScriptedServer]:
    """A server for a while."""
    server = ScriptedServer(script)
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
