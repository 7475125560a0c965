"""Connections to one server that outlive the requests on them."""

import fcntl
import os
import select
import socket
import ssl
import sys
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import Final
from urllib.parse import SplitResult

from chalicelib.adapters.reaching import reached

IDLE_MAX_S: Final = 60.0
"""What has been silent for longer may be gone without a word: NAT gateways forget it after 350 s, others
sooner, and a function that was frozen has heard of no end."""

_CONNECT_TIME_LIMIT_S: Final = 1.0
# Where the system's authorities are, unless where it was built to look.
_SYSTEMS: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_INT_BYTES: Final = 4  # of the C type that the kernel writes a count into


class PooledConnection:
    """A connection, non-blocking and past its TLS handshake.

    Attributes:
        readable: Waits for something to read here, and for nothing else.
        idle_since_s: When it was given back.
    """

    __slots__ = ("fileno", "idle_since_s", "readable", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.fileno = connection.fileno()
        self.idle_since_s = 0.0
        self.readable = select.poll()
        self.readable.register(self.fileno, select.POLLIN)

    def has_decrypted_rest(self) -> bool:
        """Return whether there is something to read that waiting for the network would not notice."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def unread_bytes(self) -> int:
        """Return how many bytes have come and were not read; those that are still encrypted as they came."""
        waiting = fcntl.ioctl(self.fileno, termios.FIONREAD, bytes(_INT_BYTES))
        decrypted = self.socket.pending() if isinstance(self.socket, ssl.SSLSocket) else 0
        return int.from_bytes(waiting, sys.byteorder) + decrypted

    def close(self) -> None:
        self.socket.close()


class ConnectionPool:
    """Safe to share between threads.

    Args:
        authorities: A file of those that vouch for the server, instead of the system's.

    Raises:
        OSError: There is no such file, or nothing of the kind in it.
    """

    def __init__(
        self,
        address: SplitResult,
        *,
        authorities: str = "",
        monotonic_s: Callable[[], float] = monotonic,
    ) -> None:
        self._monotonic_s = monotonic_s
        is_secure = address.scheme == "https"
        self._address = address.hostname or "", address.port or (443 if is_secure else 80)
        self._context = _context(authorities, *map(os.environ.get, _SYSTEMS)) if is_secure else None
        self._idle: deque[PooledConnection] = deque()

    def take(self, time_limit_s: float) -> PooledConnection:
        """Return the connection used last if it was not long ago, and the server has not closed it meanwhile;
        or a new one.

        Raises:
            OSError: The server takes no connection, or not in time.
        """
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            # An idle connection has nothing to say; if there is something to read, it is its end.
            is_old = self._monotonic_s() - connection.idle_since_s > IDLE_MAX_S
            if not is_old and not connection.readable.poll(0):
                return connection
            connection.close()
        return PooledConnection(self._connected(time_limit_s))

    def give_back(self, connection: PooledConnection) -> None:
        """Keep a connection on which nothing is under way."""
        connection.idle_since_s = self._monotonic_s()
        self._idle.append(connection)

    def close(self) -> None:
        """Close the connections that are not in use."""
        with suppress(IndexError):  # until there is none left, whatever other threads take
            while True:
                self._idle.pop().close()

    def _connected(self, time_limit_s: float) -> socket.socket:
        deadline = monotonic() + min(_CONNECT_TIME_LIMIT_S, time_limit_s)
        connection = reached(*self._address, deadline=deadline)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(0)
            if self._context is None:
                return connection
            connection = self._context.wrap_socket(
                connection, server_hostname=self._address[0], do_handshake_on_connect=False
            )
            _shake_hands(connection, deadline)
        except BaseException:
            connection.close()
            raise
        return connection


@lru_cache(maxsize=8)
def _context(authorities: str, *_systems: str | None) -> ssl.SSLContext:
    """Return what servers are held against: one for all of them, as the system's authorities take 22 ms of a
    whole processor to read, and a megabyte to keep.
    """
    return ssl.create_default_context(cafile=authorities or None)


def _shake_hands(connection: ssl.SSLSocket, deadline: float) -> None:
    watch = select.poll()
    while True:
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            wanted = select.POLLIN
        except ssl.SSLWantWriteError:
            wanted = select.POLLOUT
        else:
            return
        watch.register(connection.fileno(), wanted)
        if not watch.poll(max(0.0, deadline - monotonic()) * 1000):
            raise TimeoutError
