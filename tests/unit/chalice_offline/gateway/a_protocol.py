"""The gateway's protocol without a socket: what a client sends and gets are bytes in memory."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.extensions import ClientExtensionFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from chalice_offline.gateway.protocol import GatewayWebSocket
from chalice_offline.gateway.settings import FRAME_BYTES_MAX, MESSAGE_BYTES_MAX

Application = Callable[[Any, Any, Any], Awaitable[None]]


class FakeTransport(asyncio.Transport):
    """Keeps what is written, and notes what else is asked of it.

    Attributes:
        notes: In order: ``pause``, ``resume``, ``eof``, ``close``, ``abort``.
        socket: That its end can be seen on; nothing is sent through it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.notes: list[str] = []
        self.socket: socket.socket | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 3_000), "socket": self.socket}
        return known.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def write_eof(self) -> None:
        self.notes.append("eof")

    def pause_reading(self) -> None:
        self.notes.append("pause")

    def resume_reading(self) -> None:
        self.notes.append("resume")

    def close(self) -> None:
        self.notes.append("close")

    def abort(self) -> None:
        self.notes.append("abort")

    def is_closing(self) -> bool:
        return bool({"close", "abort"} & {*self.notes})


class Timers:
    """An event loop of which nothing is called later but by hand.

    Attributes:
        set: Delay in seconds, and what is called then, but for what was cancelled.
    """

    def __init__(self) -> None:
        self._all: list[tuple[float, asyncio.TimerHandle]] = []
        self.create_task = asyncio.get_running_loop().create_task

    @property
    def set(self) -> list[tuple[float, asyncio.TimerHandle]]:
        return [(delay_s, handle) for delay_s, handle in self._all if not handle.cancelled()]

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        handle = asyncio.TimerHandle(loop.time() + delay_s, callback, (), loop)
        self._all.append((delay_s, handle))
        return handle

    def ring(self) -> float:
        """Call what was set last; return its delay in seconds."""
        delay_s, handle = self.set[-1]
        self._all.remove((delay_s, handle))
        handle._run()
        return delay_s


class AcceptedClient:
    """A client whose handshake was accepted; ``scope``, ``receive`` and ``send`` are the application's."""

    def __init__(self, *extensions: ClientExtensionFactory, **settings: Any) -> None:
        self.transport = FakeTransport()
        self.timers = Timers()
        self.client = ClientProtocol(parse_uri("ws://127.0.0.1:3000/ws"), extensions=extensions or None)
        config = uvicorn.Config(
            self._application, interface="asgi3", ws_ping_interval=None, log_config=None, **settings
        )
        config.ws_max_size = cast("int", (MESSAGE_BYTES_MAX, FRAME_BYTES_MAX))  # as the gateway's server does
        self.protocol = GatewayWebSocket(config=config, server_state=ServerState(), app_state={})
        self.protocol.loop = cast("asyncio.AbstractEventLoop", self.timers)
        self.over = asyncio.Event()
        self.scope: Any = None
        self.receive: Any = None
        self.send: Any = None

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        await receive()
        await send({"type": "websocket.accept"})
        await self.over.wait()

    def say(self, text: str) -> None:
        self.client.send_text(text.encode())
        self.flush()

    def flush(self) -> None:
        """Have the gateway read what the client has to send, in one piece."""
        self.protocol.data_received(b"".join(self.client.data_to_send()))

    def frames(self) -> list[Frame]:
        """Return the frames that came since the last time."""
        pieces, self.transport.written = self.transport.written, []
        self.client.receive_data(b"".join(pieces))
        return [event for event in self.client.events_received() if isinstance(event, Frame)]

    def texts(self) -> list[str]:
        return [bytes(frame.data).decode() for frame in self.frames() if frame.opcode is Opcode.TEXT]


@asynccontextmanager
async def an_accepted_client(
    *extensions: ClientExtensionFactory, **settings: Any
) -> AsyncIterator[AcceptedClient]:
    """Connect a client, which offers extensions, for the length of a block."""
    accepted = AcceptedClient(*extensions, **settings)
    accepted.protocol.connection_made(accepted.transport)
    accepted.client.send_request(accepted.client.connect())
    accepted.flush()
    await settle()
    accepted.client.receive_data(b"".join(accepted.transport.written))
    (response,) = accepted.client.events_received()
    assert isinstance(response, Response)
    assert response.status_code == 101
    accepted.transport.written.clear()
    try:
        yield accepted
    finally:
        accepted.over.set()
        await settle()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)
