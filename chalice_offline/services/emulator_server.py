"""Serve the guarded emulator on a socket that listens already.

``emulator_server.py SOCKET_FD``, as a module.
"""

import socket
import sys

import uvicorn

from chalice_offline.services.emulator_http import EmulatorHttp
from chalice_offline.services.guarded_emulator import app

BACKLOG = 2048


def config() -> uvicorn.Config:
    """Return how uvicorn serves MiniStack's application:
    a send costs half of what its own server, hypercorn, takes.
    """
    return uvicorn.Config(
        app,
        http=EmulatorHttp,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        # AWS sends one Date, which MiniStack adds itself, and does not name its server.
        date_header=False,
        server_header=False,
        backlog=BACKLOG,
        # A long poll that is still open must not hold up the end, in which the queues are saved.
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(config()).run(sockets=[listener])


if __name__ == "__main__":
    main()
