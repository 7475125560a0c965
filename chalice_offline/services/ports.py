"""Free and taken TCP ports."""

import errno
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
_PORTS: Final = 65_536


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that no process listens on now."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int) -> int:
    """Return the first of so many ports in a row that no process listens on now."""
    while True:
        port = free_port()
        beyond = range(port + 1, port + count)
        if port + count <= _PORTS and not any(is_taken(LOOPBACK, each) for each in beyond):
            return port


def is_taken(host: str, port: int) -> bool:
    """Return whether listening on the port would fail because something else does.

    Raises:
        OSError: The address cannot be listened on for another reason, such as a host that is not ours.
    """
    with socket.socket(_family(host)) as probe:
        # As servers do: a closed connection's TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def authority(host: str, port: int) -> str:
    """Return host and port as URLs have them: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
