"""Requests on their way to a process that forks others, with the descriptors that go with them.

A request has all variables of its environment. Those of a large shell, or of many functions that start at
once, are more than a socket takes before its other end has read.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence


class ForkRequests:
    """Sends requests in their order, each as soon as there is room for it."""

    def __init__(self, connection: socket.socket) -> None:
        """``connection`` never blocks; it is closed here."""
        self._socket = connection
        # What is left of each part, and the descriptors that leave with its first byte.
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()
        self._is_last = False
        self._is_closed = False

    def put(self, message: bytes, descriptors: Sequence[int]) -> None:
        """Send a message, the first four bytes together with the descriptors, which stay the caller's.

        Raises:
            OSError: There are no more descriptors to be had, or nothing can be sent any more.
        """
        if self._is_closed or self._is_last:
            raise ConnectionResetError("the fork server ended")
        own: list[int] = []
        try:
            own.extend(map(os.dup, descriptors))
        except OSError:
            _close(own)
            raise
        is_first = not self._waiting
        self._waiting.extend([(message[:4], own), (message[4:], ())])
        if is_first:
            self._write()

    def end(self) -> None:
        """Say that no more will come, after what waits."""
        self._is_last = True
        if not self._waiting and not self._is_closed:
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Send nothing any more."""
        if not self._is_closed:
            self._is_closed = True
            asyncio.get_running_loop().remove_writer(self._socket)
            self._socket.close()
        while self._waiting:
            _close(self._waiting.popleft()[1])

    def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                part, descriptors = self._waiting[0]
                sent = socket.send_fds(self._socket, [part], descriptors)
                _close(descriptors)
                self._waiting[0] = (part[sent:], ())
                if sent == len(part):
                    self._waiting.popleft()
        except BlockingIOError:
            loop.add_writer(self._socket, self._write)
            return
        except OSError:  # the process has ended; who waits for an answer hears of it by the same socket
            self.close()
            return
        loop.remove_writer(self._socket)
        if self._is_last:
            self._socket.shutdown(socket.SHUT_WR)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
