"""Connecting to a server by name, in a time that counts for all of its addresses together."""

import errno
import math
import os
import select
import socket
from collections.abc import Iterable
from itertools import zip_longest
from time import monotonic
from typing import Any, Final

_HEAD_START_S: Final = 0.25
"""For one address to take it before the next is asked as well (RFC 8305, 5)."""


def reached(host: str, port: int, *, deadline: float) -> socket.socket:
    """Connect to the first of a host's addresses that takes it; return the connection.

    ``socket.create_connection`` waits for one address after the other, each as long as it may: of an endpoint
    with one in each zone, a zone that is down would use up the time of all.
    Looking the name up has limits of the system's own.

    Args:
        deadline: On the monotonic clock.

    Raises:
        OSError: None of them takes it, or not in time.
    """
    try:
        waiting = _by_turns(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))[::-1]
    except UnicodeError as error:  # as of two dots in a row
        raise OSError(f"no server can be called {host}") from error
    asked: dict[int, socket.socket] = {}
    watch = select.poll()
    refusal = OSError("the server has no address")
    try:
        while waiting or asked:
            left_s = deadline - monotonic()
            if left_s <= 0:
                raise TimeoutError
            if waiting:
                family, kind, protocol, _, address = waiting.pop()
                try:
                    connection = socket.socket(family, kind, protocol)
                except OSError as error:  # as of IPv6, where the system has none
                    refusal = error
                    continue
                connection.settimeout(0)
                problem = connection.connect_ex(address)
                if problem and problem != errno.EINPROGRESS:
                    connection.close()
                    refusal = OSError(problem, os.strerror(problem))
                    continue
                asked[connection.fileno()] = connection
                watch.register(connection, select.POLLOUT)
            wait_s = min(left_s, _HEAD_START_S) if waiting else left_s
            for fileno, _ in watch.poll(None if math.isinf(wait_s) else wait_s * 1000):
                watch.unregister(fileno)
                connection = asked.pop(fileno)
                problem = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not problem:
                    connection.settimeout(None if math.isinf(left_s) else left_s)
                    return connection
                connection.close()
                refusal = OSError(problem, os.strerror(problem))
    finally:
        for connection in asked.values():
            connection.close()
    raise refusal


def _by_turns(found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return addresses so that each of one family has one of another behind it (RFC 8305, 4).

    Where IPv6 has no way out, and no router says so, its addresses alone would use up the time.
    """
    families: dict[int, list[tuple[Any, ...]]] = {}
    for each in found:
        families.setdefault(each[0], []).append(each)
    return [each for turn in zip_longest(*families.values()) for each in turn if each is not None]
