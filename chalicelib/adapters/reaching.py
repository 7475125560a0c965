"""Connecting to a server by name, in a time that counts for all of its addresses together."""

import math
import socket
from time import monotonic


def reached(host: str, port: int, *, deadline: float) -> socket.socket:
    """Connect to the first of a host's addresses that takes it; return the connection.

    ``socket.create_connection`` has its time limit for each address anew.
    Looking the name up has limits of the system's own.

    Args:
        deadline: On the monotonic clock.

    Raises:
        OSError: None of them takes it, or not in time.
    """
    refusal = OSError("the server has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left_s = deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(None if math.isinf(left_s) else left_s)
            connection.connect(address)
        except OSError as error:
            connection.close()
            refusal = error
        else:
            return connection
    raise refusal
