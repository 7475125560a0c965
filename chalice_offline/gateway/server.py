"""The gateway as a running server."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import uvicorn

from chalice_offline.gateway.application import Application
from chalice_offline.gateway.callbacks import Callbacks
from chalice_offline.gateway.connections import SHUT_DOWN
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.http_protocol import GatewayHttp
from chalice_offline.gateway.invocations import Invocations
from chalice_offline.gateway.protocol import GatewayWebSocket
from chalice_offline.gateway.rest import RestApi
from chalice_offline.gateway.settings import GatewaySettings
from chalice_offline.invocation import AppManifest, Functions
from chalice_offline.supervision import spawn

_BACKLOG = 2048


class Gateway:
    """A local API Gateway in front of one app.

    ``start`` binds and serves in the running event loop, ``stop`` ends it; between the two ``port`` is known.
    Signals are left to the caller.
    """

    def __init__(self, settings: GatewaySettings, manifest: AppManifest, functions: Functions) -> None:
        self._settings = settings
        self._manifest = manifest
        self._functions = functions
        self._edge: Edge | None = None
        self._rest: RestApi | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port listened on, also when the settings left the choice to the system; 0 before ``start``."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else 0

    async def start(self) -> None:
        """Bind the address and accept connections from here on.

        Raises:
            OSError: The address cannot be bound, as when the port is taken.
            ValueError: The route selection expression or an identity source is none.
        """
        listeners = _bind(self._settings.host, self._settings.port)
        try:
            port = int(listeners[0].getsockname()[1])
            edge = Edge.create(self._settings, self._manifest, self._functions, port=port)
        except ValueError:
            for listener in listeners:
                listener.close()
            raise
        self._socket = listeners[0]
        self._edge = edge
        callbacks = Callbacks(edge)
        self._rest = RestApi(edge)
        application = Application(edge, callbacks, self._rest, Invocations(edge))
        self._server = _Server(_uvicorn_config(self._settings, application, callbacks, edge))
        self._serving = spawn("serving", self._server.serve(sockets=listeners), set())
        await self._server.listening.wait()

    def use(self, manifest: AppManifest) -> None:
        """Serve what the app has become, from the next request on."""
        self._manifest = manifest
        if self._edge is not None and self._rest is not None:
            self._edge.manifest = manifest
            self._rest.read_routes()

    async def stop(self) -> None:
        """Refuse new clients, close the others with 1001, let ``$disconnect`` run, then stop listening.

        Waits for ``shutdown_grace_s`` at most; safe to call twice, also if the first call is canceled, which
        waits no longer then.
        """
        if self._server is None or self._serving is None:
            return
        if self._edge is not None:
            edge, self._edge = self._edge, None
            await self._end(self._server, edge)
        await self._serving

    async def _end(self, server: "_Server", edge: Edge) -> None:
        edge.stopping = True
        try:
            await asyncio.gather(*(session.close(SHUT_DOWN) for session in list(edge.sessions.values())))
            handlers = spawn("waiting for handlers", edge.until_all_ended(), set())
            busy = {task for task in server.server_state.tasks | edge.tasks if not task.done()}
            await asyncio.wait({*busy, handlers}, timeout=self._settings.shutdown_grace_s)
            handlers.cancel()
        finally:
            edge.give_up()
            server.end()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the whole runtime's business."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let ``serve`` shut down and return."""
        self.should_exit = True
        self._ending.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Refresh the Date header every second until the end; uvicorn would look ten times a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), timeout=1)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(host: str, port: int) -> list[socket.socket]:
    """Listen on the first address of a host, and of ``localhost`` on all that it has."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, address = addresses[0]
    listeners = [_listener(family, address)]
    port = int(listeners[0].getsockname()[1])
    for family, _, _, _, address in addresses[1:] if host == "localhost" else ():
        # This machine may know an address that it does not have.
        with contextlib.suppress(OSError):
            listeners.append(_listener(family, (address[0], port, *address[2:])))
    return listeners


def _listener(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    # asyncio has only a socket that names its protocol send each frame at once (TCP_NODELAY).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def _uvicorn_config(
    settings: GatewaySettings, application: Application, callbacks: Callbacks, edge: Edge
) -> uvicorn.Config:
    limits = settings.limits

    def not_http(client: str) -> None:
        edge.warn(
            "refused what is no HTTP: https is not spoken here, and addresses have to be percent-encoded",
            **{"from": client},
        )

    config = uvicorn.Config(
        application,
        # uvicorn only ever calls it, with the arguments of a protocol's constructor.
        http=cast("type[asyncio.Protocol]", partial(GatewayHttp, callbacks, not_http)),
        ws=GatewayWebSocket,
        # API Gateway never pings (https://github.com/andyrichardson/subscriptionless/issues/3).
        ws_ping_interval=None,
        ws_per_message_deflate=settings.permessage_deflate,
        # A client's word on where it comes from is not taken for its address.
        proxy_headers=False,
        lifespan="off",
        log_config=None,
        log_level="error",  # what it warns of goes into the log of ours
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=1,
    )
    # uvicorn hands this to the websockets library as it is, and that takes a pair: (message, frame).
    config.ws_max_size = cast("int", (limits.message_bytes_max, limits.frame_bytes_max))
    return config
