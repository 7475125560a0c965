"""Ports for programs that a test starts, and that listen a second or more after it has chosen one."""

import atexit
from random import SystemRandom
from typing import Final

from chalice_offline.services.port_claims import PortClaims
from chalice_offline.services.ports import LOOPBACK, is_taken

# Below what systems hand out to a server that takes any port, or to a client: theirs begin at 32768 at the
# earliest. A port of those that is free now may be another program's by the time it is wanted.
_FIRST: Final = 20_000
_BEYOND: Final = 32_768
# Runtimes that are started with such a port claim it as theirs.
_claims: Final = PortClaims(kind="orderflow-tests")
atexit.register(_claims.release)


def free_port(count: int = 1) -> int:
    """Return the first of so many ports in a row that nothing listens on.

    They are this process's as long as it runs: no other run of tests on this machine gets them.
    """
    while True:
        port = SystemRandom().randrange(_FIRST, _BEYOND - count)
        if any(is_taken(LOOPBACK, port + place) for place in range(count)):
            continue
        if _claims.claim(port, count):
            return port
