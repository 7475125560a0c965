"""The process: HTTP and WebSocket on one port, WebSocket on the next one too, and a block every so often."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from infra.chain.network import Network
from infra.chain.rpc.server import BODY_BYTES_MAX, Application, ConnectionCut, Message, Receive, Send

IDLE_MS: Final = 100
"""Without a pace of their own, blocks still pass while nothing arrives: expiry depends on them."""

COLLECT_MS: Final = 20
"""Without a pace of their own, blocks take in what arrives so soon: a blockhash lives for 3 s at least."""


class Pace:
    """Ends blocks: at their time, or as soon as something arrived if none is set."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._arrived = asyncio.Event()

    def stir(self) -> None:
        if self._network.block_ms == 0 and self._network.chain.open.landed:
            self._arrived.set()

    async def run(self) -> None:
        hurries = False
        while True:
            block_ms = self._network.block_ms
            wait_s = (block_ms or (COLLECT_MS if hurries else IDLE_MS)) / 1000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), wait_s)
            if self._arrived.is_set():
                await asyncio.sleep(COLLECT_MS / 1000)
                self._arrived.clear()
            if self._network.block_ms is not None:
                # What is in a block is confirmed by the next one: that must not wait until something arrives.
                hurries = bool(self._network.chain.open.landed)
                self._network.seal()


async def serve(
    network: Network,
    host: str,
    port: int,
    *,
    ready: Callable[[], None],
    beside: Callable[[], list[asyncio.Task[None]]] = list,
) -> None:
    """Serve until told to stop.

    Args:
        ready: Called once requests are answered.
        beside: Starts what runs as long as the server does.

    Raises:
        OSError: The port, or the one after it, is taken.
    """
    pace = Pace(network)
    application = Application(network, pace.stir)
    sockets = [_listening(host, port), _listening(host, port + 1)]
    config = uvicorn.Config(
        _quiet(application),
        log_level="warning",
        lifespan="off",
        ws="websockets-sansio",
        access_log=False,
        ws_max_size=BODY_BYTES_MAX,
    )
    server = uvicorn.Server(config)
    tasks = [asyncio.create_task(pace.run()), *beside()]
    serving = asyncio.create_task(server.serve(sockets))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells of it in no other way
        await asyncio.sleep(0.005)
    ready()
    done, _ = await asyncio.wait([serving, *tasks], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    for task in tasks:
        task.cancel()
    await serving
    for task in done:
        task.result()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off; else each answer would wait for an
    # acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    return listening


def _quiet(application: Application) -> Callable[..., object]:
    """The application, whose cut connections are no defect to log."""

    async def quiet(scope: Message, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ConnectionCut):
            await application(scope, receive, send)

    return quiet
