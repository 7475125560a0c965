"""JSON-RPC over HTTP and WebSocket, as an ASGI application.

``/`` is the first node, ``/nodes/N`` each of them.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from infra.chain.faults import happens
from infra.chain.network import Network
from infra.chain.node import Node
from infra.chain.rpc.admin import PREFIX, admin_methods
from infra.chain.rpc.methods import answer
from infra.chain.rpc.subscriptions import Session

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_BYTES_MAX: Final = 1024 * 1024
BATCH_MAX: Final = 1000
NOTIFICATIONS_MAX: Final = 10_000
"""A client that reads slower than this many behind is disconnected."""

_TOO_SLOW: Final = 1008
_JSON: Final = [(b"content-type", b"application/json")]


class ConnectionCut(Exception):  # noqa: N818 - it is no error of ours
    """Ends a connection without an answer: the request was carried out, and no client learns so."""


class Application:
    """Serves a network.

    Args:
        stir: Called after requests that may have put something into the open block.
    """

    def __init__(self, network: Network, stir: Callable[[], None] = lambda: None) -> None:
        self._network = network
        self._stir = stir
        self._admin = admin_methods(network)
        self._sessions: set[Session] = set()
        network.on_seal.append(self._sealed)

    def _sealed(self) -> None:
        for session in list(self._sessions):
            session.pump()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    def _node(self, path: str) -> Node | None:
        """The node behind a path. What follows it is ignored, as a provider's key would be."""
        parts = [part for part in path.split("/") if part]
        if parts[:1] != ["nodes"]:
            return self._network.nodes[0]
        index = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else len(self._network.nodes)
        return self._network.nodes[index] if index < len(self._network.nodes) else None

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        node = self._node(scope["path"])
        if scope["method"] == "GET" and scope["path"].endswith("/health"):
            await _respond(send, 200, b"ok")
        elif node is None:
            await _respond(send, 404, b"no such node")
        elif scope["method"] != "POST":
            await _respond(send, 405, b"Used HTTP Method is not allowed. POST is required")
        else:
            body = await _body(receive)
            if body is None:
                await _respond(send, 413, b"request body too large")
            else:
                await self._post(node, body, send)

    async def _post(self, node: Node, body: bytes, send: Send) -> None:
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            error = {"code": -32700, "message": "Parse error"}
            await _respond(send, 200, _dumped({"jsonrpc": "2.0", "error": error, "id": None}))
            return
        faults, chance = node.faults, node.chance
        concerned = any(faults.apply_to(name) for name in _methods_in(request))
        if concerned:
            if faults.latency_ms:
                await asyncio.sleep(faults.latency_ms / 1000)
            if happens(faults.rate_limit_percent, chance):
                after = faults.retry_after_s
                headers = [] if after is None else [(b"retry-after", f"{after:g}".encode())]
                text = {"code": 429, "message": "Too many requests for a specific RPC call"}
                await _respond(send, 429, _dumped({"jsonrpc": "2.0", "error": text, "id": None}), headers)
                return
            if happens(faults.unavailable_percent, chance):
                await _respond(send, 503, b"<html><body>503 Service Temporarily Unavailable</body></html>")
                return
        node.begin_request()
        answered = self._answered(node, request)
        self._stir()
        if concerned and happens(faults.lost_answer_percent, chance):
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]}
            )
            raise ConnectionCut
        if concerned and happens(faults.garbage_percent, chance):
            await _respond(send, 200, b'{"jsonrpc":"2.0","result":')
            return
        await _respond(send, 200, _dumped(answered))

    def _answered(self, node: Node, request: Any) -> Any:
        if not isinstance(request, list):
            return answer(node, request, self._admin)
        calls_max = BATCH_MAX if node.faults.batch_max is None else node.faults.batch_max
        if not request or len(request) > calls_max:
            return {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid request"}, "id": None}
        answers = [answer(node, one, self._admin) for one in request]
        return [one for one in answers if one is not None]

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        node = self._node(scope["path"])
        await receive()
        if node is None:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        outgoing: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(NOTIFICATIONS_MAX)

        def tell(message: dict[str, Any]) -> None:
            if outgoing.full():
                while not outgoing.empty():
                    outgoing.get_nowait()
                outgoing.put_nowait(None)
                self._sessions.discard(session)
            else:
                outgoing.put_nowait(message)

        session = Session(node, tell)
        self._sessions.add(session)
        writer = asyncio.create_task(_written(outgoing, send))
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text") or (message.get("bytes") or b"").decode(errors="replace")
                self._said(node, session, text, tell)
        finally:
            self._sessions.discard(session)
            writer.cancel()

    def _said(self, node: Node, session: Session, text: str, tell: Callable[[dict[str, Any]], None]) -> None:
        try:
            request = json.loads(text)
        except (ValueError, RecursionError):
            tell({"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None})
            return
        answered = answer(node, request, self._admin | session.methods())
        if answered is not None:
            tell(answered)
        self._stir()
        # What a signature's subscriber waits for may have come already.
        session.pump()


async def _written(outgoing: "asyncio.Queue[dict[str, Any] | None]", send: Send) -> None:
    while (message := await outgoing.get()) is not None:
        await send({"type": "websocket.send", "text": _dumped(message).decode()})
    await send({"type": "websocket.close", "code": _TOO_SLOW})


async def _body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _respond(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [*_JSON, length, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": body})


def _methods_in(request: Any) -> list[str]:
    """The calls of a request that faults may concern: an administrator's are not among them."""
    requests = request if isinstance(request, list) else [request]
    names = [str(one.get("method")) for one in requests if isinstance(one, dict)]
    return [name for name in names if not name.startswith(PREFIX)]


def _dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
