"""Serve the guarded emulator on a socket that listens already.

``emulator_server.py SOCKET_FD``, as a module.
"""

import os
import socket
import sys
from pathlib import Path
from typing import Final

import uvicorn

from chalice_offline.services.emulator_http import EmulatorHttp
from chalice_offline.services.guarded_emulator import app
from chalice_offline.services.reserve import Reserve

BACKLOG = 2048
# Some ten thousand messages.
_RESERVE_MIB: Final = 16
_RESERVE_NAME: Final = "reserve"


class _Server(uvicorn.Server):
    """Keeps room on the disk for what the emulator saves in the end: a user who finds the disk full stops
    everything first, and makes room then.
    """

    def __init__(self, config: uvicorn.Config, reserve: Reserve) -> None:
        super().__init__(config)
        self._reserve = reserve
        reserve.take()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._reserve.give()
        await super().shutdown(sockets)


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
    reserve = Reserve(Path(os.environ["STATE_DIR"]).with_name(_RESERVE_NAME), mebibytes=_RESERVE_MIB)
    _Server(config(), reserve).run(sockets=[listener])


if __name__ == "__main__":
    main()
