"""A proxy in front of a server that takes one exchange away, before or after the server has seen it."""

import socket
import threading
from contextlib import suppress
from typing import Final, Literal

Moment = Literal["before", "after"]

ANSWER_S: Final = 1.0
"""What comes in several pieces is not answered until the last of them."""

_BYTES: Final = 1 << 20


class CuttingProxy:
    """Hands bytes on, and counts what clients send; closes every connection at the one that it is told.

    What a client sends before it waits for an answer is one exchange, as far as it arrives in one piece.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=32)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._cut_at, self._moment = 0, "before"
        self.exchanges = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self, exchange: int, moment: Moment) -> None:
        """Close all connections at the exchange of that number from now on, from 1; 0 for none."""
        with self._lock:
            self.exchanges, self._cut_at, self._moment = 0, exchange, moment

    def lead_to(self, host: str, port: int) -> None:
        """Close all connections, and hand those that come on to another server."""
        self.lead_others_to(host, port)
        self._hang_up()

    def lead_others_to(self, host: str, port: int) -> None:
        """Hand connections that come on to another server."""
        self._server = host, port

    def close(self) -> None:
        """Close all connections, and take no other."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self._hang_up()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                pair = _Pair(client, socket.create_connection(self._server))
            except OSError:  # there is no server for now
                client.close()
                continue
            with self._lock:
                self._pairs.append(pair)
            for way in (lambda pair=pair: self._hand_requests_on(pair), pair.hand_answers_on):
                thread = threading.Thread(target=way, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _hand_requests_on(self, pair: "_Pair") -> None:
        with suppress(OSError):
            while data := pair.client.recv(_BYTES):
                with self._lock:
                    self.exchanges += 1
                    moment = self._moment if self.exchanges == self._cut_at else None
                if moment == "after":
                    # Done by the server, which nothing is heard of.
                    pair.is_muted = True
                if moment != "before":
                    pair.server.sendall(data)
                if moment == "after":
                    pair.has_answered.wait(ANSWER_S)
                if moment is not None:
                    self._hang_up()
        pair.end()

    def _hang_up(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.end()


class _Pair:
    """A client's connection, and the one to the server that goes with it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.is_muted = False
        self.has_answered = threading.Event()

    def hand_answers_on(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(_BYTES):
                if self.is_muted:
                    self.has_answered.set()
                else:
                    self.client.sendall(data)
        self.has_answered.set()
        self.end()

    def end(self) -> None:
        for each in (self.client, self.server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
