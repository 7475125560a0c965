"""A connection without a socket: its client and its functions do what a test says, when it says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from chalice_offline.gateway import GatewaySettings
from chalice_offline.gateway.connections import Closure, Connection
from chalice_offline.gateway.edge import Edge
from chalice_offline.gateway.session import Client, WebSocketSession
from chalice_offline.gateway.slots import Slots
from chalice_offline.invocation import ANY_CALLER, AppManifest, Caller, OnEnd, Outcome
from tests.unit.chalice_offline.gateway.fakes import OK, ROUTES

ID = "TXzPWdnOjoECGjA="


class HeldFunctions:
    """Functions that return when they are told to.

    Attributes:
        begun: The event, the caller, and what to call with the outcome, of each invocation.
    """

    def __init__(self) -> None:
        self.begun: list[tuple[Mapping[str, Any], Caller, OnEnd]] = []

    def begin(
        self,
        function_name: str,
        event: Mapping[str, Any],
        on_end: OnEnd,
        *,
        timeout_s: float | None = None,  # noqa: ARG002  # of the integration, which is others' to keep
        caller: Caller = ANY_CALLER,
    ) -> None:
        assert function_name == "message"
        self.begun.append((event, caller, on_end))

    async def invoke(
        self,
        function_name: str,
        event: Mapping[str, Any],
        *,
        timeout_s: float | None = None,
        caller: Caller = ANY_CALLER,
    ) -> Outcome:
        raise AssertionError(function_name, event, timeout_s, caller)

    @property
    def bodies(self) -> list[str]:
        return [event["body"] for event, _, _ in self.begun]

    def end(self, place: int, outcome: Outcome = OK) -> None:
        self.begun[place][2](outcome)


class FakeClient:
    """The other side, which reads nothing while ``reads`` is not set: then ``send`` blocks, and
    ``write_now`` declines.

    Attributes:
        said: What it has said that is still to be received.
    """

    def __init__(self) -> None:
        self.received: list[MutableMapping[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self.said: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._listener: Callable[[str], bool] = lambda _: False

    def as_client(self) -> Client:
        return Client(self.said.get, self.send, self._hear, self._write_now, self.gone)

    def say(self, text: str) -> None:
        """Send a message, as it is read from a socket: offered to the listener unless others wait."""
        if not self.said.empty() or not self._listener(text):
            self.said.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, data: bytes) -> None:
        self.said.put_nowait({"type": "websocket.receive", "bytes": data})

    def leave(self, code: int | None = None, reason: str = "") -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.gone.set()

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.received if "text" in message]

    @property
    def closures(self) -> list[Closure]:
        """Return the close frames that came."""
        ends = [message for message in self.received if message["type"] == "websocket.close"]
        return [Closure(message["code"], message["reason"]) for message in ends]

    def _hear(self, listener: Callable[[str], bool]) -> None:
        self._listener = listener

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] != "websocket.close":
            await self.reads.wait()
        self.received.append(message)

    def _write_now(self, texts: Sequence[str]) -> bool:
        if self.reads.is_set():
            self.received += [{"type": "websocket.send", "text": text} for text in texts]
        return self.reads.is_set()


class OpenSession:
    """A session that runs.

    Attributes:
        closure: What ``run`` returned; None while it has not.
    """

    def __init__(self, edge: Edge, connection: Connection) -> None:
        self.edge = edge
        self.client = FakeClient()
        self.session = WebSocketSession(edge, connection, self.client.as_client())
        self.closure: Closure | None = None

    async def run(self) -> None:
        self.closure = await self.session.run()

    @property
    def slots(self) -> Slots:
        """Return what the messages of this client take."""
        return self.edge.slots_of(self.session.connection.caller_key)


@asynccontextmanager
async def a_session(
    functions: HeldFunctions,
    *,
    routes: Mapping[str, str] = ROUTES,
    stopping: bool = False,
    idle_for_ms: int = 0,
    **settings: Any,
) -> AsyncIterator[OpenSession]:
    """Run a session for the length of a block.

    Args:
        stopping: The gateway stops already.
        idle_for_ms: How long ago its connection was opened.
    """
    manifest = AppManifest("app", websocket_handlers=routes)
    edge = Edge.create(GatewaySettings(**settings), manifest, functions, port=3000)
    edge.stopping = stopping
    opened_ms = edge.now_ms() - idle_for_ms
    connection = Connection(ID, opened_ms, opened_ms, "127.0.0.1", "wscat")
    connection.opened(opened_ms)
    opened = OpenSession(edge, connection)
    running = asyncio.create_task(opened.run())
    await settle()
    try:
        yield opened
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)
