"""An engine that follows the contract, on two sockets of this machine, with faults that a test asks for.

It knows every verb of the contract, also those that a deployed engine may not have yet. Orders end at once,
unless they are of a type that rests.
"""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_URL, uuid4, uuid5

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from chalicelib.wire.moments import rfc3339

Frame = dict[str, Any]
RestRefusal = tuple[int, Frame | bytes, dict[str, str]]
"""Status, body (bytes are sent as they are) and headers; status 0 is no answer."""

AT: Final = "2026-11-21T08:30:00.000Z"
LIFE: Final = ("pending", "routing", "routed", "building", "submitted", "confirmed")
PREVIEW: Final[Frame] = {
    "type": "preview",
    "verdict": "executeNow",
    "summary": "Sell 1 SOL now for at least 149.25 USDC.",
    "checks": [{"check": "limits", "result": "passed", "message": "1 of 1000 orders"}],
    "at": "2026-01-01T12:00:00.000Z",
}
_MARKET: Final = {
    "pair": "SOL/USDC",
    "baseAsset": "SOL",
    "quoteAsset": "USDC",
    "mark": "150",
    "bestRates": {"sell": "149.7", "buy": "150.3"},
    "pools": 4,
    "at": "2026-01-01T12:00:00.000Z",
    "ageMs": 5,
    "height": 7,
}
_QUOTE: Final[Frame] = {
    "quotes": [],
    "fees": [],
    "route": [],
    "bestSingleVenue": None,
    "routeGapBps": "0",
    "feeToken": "SOL",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "inputAmount": "1",
    "outputAmount": "150",
    "price": "150",
    "feeAmount": "0",
    "at": AT,
    "validUntil": AT,
}
_HANDSHAKE_CODES: Final = {401: "UNAUTHORIZED", 500: "INTERNAL_ERROR"}
_RESTING: Final = frozenset({"limit", "sniper"})
_FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})


class FakeEngine:
    """See the module.

    Attributes:
        received: Every frame of every connection.
        refusals: What the next frames of an action are answered with, or None to say nothing at all.
        rest_refusals: Statuses and bodies that the next requests over REST are answered with.
        deliver: What becomes of a frame on its way out: none, one, or several.
        handshakes: Statuses that the next handshakes are refused with.
        retry_after: The seconds after which refused handshakes may be tried again, if they say so.
        location: Where refused handshakes send the client instead, if they do.
        drop_after: A connection is cut off after so many frames were sent on it.
    """

    def __init__(self) -> None:
        self.received: list[Frame] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.refusals: dict[str, deque[Frame | None]] = {}
        self.rest_refusals: deque[RestRefusal] = deque()
        self.deliver: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        self.handshakes: deque[int] = deque()
        self.retry_after: str | None = None
        self.location: str | None = None
        self.drop_after: int | None = None
        self.credentials: list[str | None] = []
        self.orders: dict[str, list[Frame]] = {}
        self.terms: dict[str, Frame] = {}
        self.doubted: set[str] = set()
        """Orders that no cancel of all touches yet."""
        self.connections: set[ServerConnection] = set()
        self.connected = 0
        self.life: tuple[str, ...] = LIFE
        self.preview = PREVIEW
        self._followers: dict[str, set[ServerConnection]] = {}
        self._account: set[ServerConnection] = set()
        self._events = 0
        self._sent: Counter[ServerConnection] = Counter()
        self._changed = asyncio.Condition()
        self._open = AsyncExitStack()
        self._server: Server | None = None
        self._rest: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await self._open.enter_async_context(
            serve(self._connection, "127.0.0.1", 0, process_request=self._handshake, close_timeout=0.1)
        )
        self._rest = await self._open.enter_async_context(
            await asyncio.start_server(self._request, "127.0.0.1", 0)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        await self._open.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/ws"

    @property
    def rest_url(self) -> str:
        assert self._rest is not None
        return f"http://127.0.0.1:{self._rest.sockets[0].getsockname()[1]}/api"

    def cut(self) -> None:
        """End every connection as a lost network does."""
        for connection in list(self.connections):
            connection.transport.abort()
            self.connections.discard(connection)

    async def stop_rest(self) -> None:
        """Answer no request over REST from now on, nor be reached for one."""
        assert self._rest is not None
        self._rest.close()
        await self._rest.wait_closed()

    async def until(self, found: Callable[[], bool]) -> None:
        """Wait until something is so of what was received."""
        async with self._changed:
            await self._changed.wait_for(found)

    async def happens(self, order_id: str, *statuses: str, **facts: Any) -> None:
        """Commit events, and tell the followers."""
        for status in statuses:
            events = self.orders[order_id]
            key = self.terms[order_id].get("clientOrderId")
            events.append(
                {"type": "order", "orderId": order_id, "clientOrderId": key, "seq": len(events) + 1,
                 "status": status, "attempt": 1, "at": self._now(), **facts}
            )  # fmt: skip
            for follower in self._followers.get(order_id, set()) | self._account:
                await self._tell(follower, events[-1])

    def _now(self) -> str:
        """Return the engine's time: a millisecond passes with each event."""
        self._events += 1
        return rfc3339(datetime.fromisoformat(AT) + timedelta(milliseconds=self._events))

    async def comes_and_ends(self, key: str) -> str:
        """Have an order of the account come by another way than this client, and end at once."""
        order_id = str(uuid5(NAMESPACE_URL, key))
        self.terms[order_id] = {"clientOrderId": key}
        self.orders[order_id] = []
        await self.happens(order_id, *LIFE)
        return order_id

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.credentials.append(request.headers.get("Authorization"))
        if self.handshakes and (status := self.handshakes.popleft()):
            code = _HANDSHAKE_CODES.get(status)
            body = json.dumps({"code": code, "message": "no"}).encode() if code is not None else b""
            headers = Headers({"Content-Length": str(len(body))})
            if self.retry_after is not None:
                headers["Retry-After"] = self.retry_after
            if self.location is not None:
                headers["Location"] = self.location
            return Response(status, "refused", headers, body)
        del connection
        return None

    async def _connection(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        self.connected += 1
        try:
            async for text in connection:
                frame = json.loads(text)
                self.received.append(frame)
                await self._act(connection, frame)
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.connections.discard(connection)
            for followers in (*self._followers.values(), self._account):
                followers.discard(connection)

    async def _tell(self, connection: ServerConnection, frame: Frame) -> None:
        for each in self.deliver(frame):
            if self.drop_after is not None and self._sent[connection] >= self.drop_after:
                connection.transport.abort()
                return
            self._sent[connection] += 1
            if connection in self.connections:
                await connection.send(json.dumps(each))

    async def _act(self, connection: ServerConnection, frame: Frame) -> None:
        action = frame["action"]
        mark = {"requestId": frame.get("requestId")}
        refusals = self.refusals.get(action)
        if refusals:
            refusal = refusals.popleft()
            if refusal is not None:
                await self._tell(connection, {"type": "error", **mark, "details": [], **refusal})
            return
        answer = await getattr(self, f"_do_{action}")(connection, frame)
        if answer is not None:
            await self._tell(connection, {**mark, **answer})
        for order_id in self._begun(frame, answer):
            await self.happens(order_id, *self._life(order_id))

    def _life(self, order_id: str) -> tuple[str, ...]:
        if self.orders[order_id]:
            return ()
        terms = self.terms[order_id]
        return ("pending", "open") if terms.get("type") in _RESTING or "trigger" in terms else self.life

    def _begun(self, frame: Frame, answer: Frame | None) -> list[str]:
        if answer is None or frame["action"] not in {"submit", "submitBatch"} or frame.get("dryRun"):
            return []
        results = answer.get("results", [answer])
        return [each["orderId"] for each in results if "orderId" in each and "code" not in each]

    def _accept(self, connection: ServerConnection, terms: Frame) -> Frame:
        key = terms.get("clientOrderId")
        order_id = str(uuid5(NAMESPACE_URL, key) if key else uuid4())
        content = {name: value for name, value in terms.items() if name not in {"action", "requestId"}}
        if self.terms.setdefault(order_id, content) != content:
            return {"code": "CLIENT_ORDER_ID_CONFLICT", "message": "other terms", "details": []}
        self.orders.setdefault(order_id, [])
        self._followers.setdefault(order_id, set()).add(connection)
        return {"orderId": order_id, "clientOrderId": key, "at": AT}

    async def _do_submit(self, connection: ServerConnection, frame: Frame) -> Frame:
        if frame.get("dryRun"):
            return self.preview
        accepted = self._accept(connection, frame)
        return {"type": "error" if "code" in accepted else "accepted", **accepted}

    async def _do_submitBatch(self, connection: ServerConnection, frame: Frame) -> Frame:  # noqa: N802
        return {
            "type": "acceptedBatch",
            "results": [self._accept(connection, each) for each in frame["orders"]],
        }

    async def _do_subscribe(self, connection: ServerConnection, frame: Frame) -> Frame | None:
        order_id = frame.get("orderId")
        if order_id is None:
            return await self._subscribe_to_all(connection)
        if order_id not in self.orders:
            return {"type": "error", "code": "ORDER_NOT_FOUND", "message": "no such order", "details": []}
        await self._tell(
            connection, {"type": "subscribed", "requestId": frame["requestId"], "orderId": order_id}
        )
        for event in self.orders[order_id][frame.get("afterSeq", 0) :]:
            await self._tell(connection, event)
        self._followers.setdefault(order_id, set()).add(connection)
        return None

    async def _subscribe_to_all(self, connection: ServerConnection) -> Frame:
        self._account.add(connection)
        for events in self.orders.values():
            for event in events if events and events[-1]["status"] not in _FINAL else ():
                await self._tell(connection, event)
        return {"type": "subscribed"}

    async def _do_cancelAll(self, _connection: ServerConnection, frame: Frame) -> Frame:  # noqa: N802
        wanted = frame.get("types")
        chosen = [
            order_id
            for order_id, events in self.orders.items()
            if events[-1]["status"] == "open"
            and wanted in (None, [self.terms[order_id].get("type")])
            and order_id not in self.doubted
        ]
        for order_id in chosen:
            await self.happens(order_id, "canceled")
        return {"type": "canceledAll", "canceled": len(chosen), "alreadySent": [], "more": bool(self.doubted)}

    async def _do_ping(self, _connection: ServerConnection, _frame: Frame) -> Frame:
        return {"type": "pong"}

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, target, _ = line.decode().split()
                length = 0
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = json.loads(await reader.readexactly(length)) if length else None
                self.requests.append((method, target, body))
                async with self._changed:
                    self._changed.notify_all()
                if self.rest_refusals:
                    refusal = self.rest_refusals.popleft()
                else:
                    refusal = (*await self._answer(method, target, body), {})
                status, answer, headers = refusal
                if not status:
                    return
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                lines = [f"{name}: {value}" for name, value in headers.items()]
                head = "\r\n".join([f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", *lines])
                writer.write(f"{head}\r\n\r\n".encode() + content)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, method: str, target: str, body: Any) -> tuple[int, Frame]:
        url = urlsplit(target)
        path = url.path.removeprefix("/api").strip("/").split("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if path[0] == "health":
            return 503, {
                "status": "unavailable",
                "database": "unavailable",
                "queue": "ok",
                "prices": "unavailable",
            }
        if path == ["markets"]:
            return 200, {"markets": [_MARKET], "problems": []}
        if path == ["quotes"]:
            return 200, _QUOTE
        if path == ["orders"]:
            ids = [order_id for order_id, events in self.orders.items() if events][::-1]
            start = int(query.get("cursor", "0"))
            following = str(start + 2) if start + 2 < len(ids) else None
            return 200, {
                "orders": [self._body(each) for each in ids[start : start + 2]],
                "nextCursor": following,
            }
        return await self._answer_about(path[1], path[-1], method, query, body)

    async def _answer_about(
        self, order_id: str, last: str, method: str, query: dict[str, str], body: Any
    ) -> tuple[int, Frame]:
        events = self.orders.get(order_id)
        if not events:
            return 404, {"code": "ORDER_NOT_FOUND", "message": "no such order", "details": []}
        if last == "events":
            return 200, {"events": events[int(query["afterSeq"]) :][:3]}
        if method == "DELETE" and events[-1]["status"] in _FINAL:
            return 409, {"code": "ORDER_ALREADY_FINAL", "message": "over", "details": []}
        if method == "PATCH" and body.get("ifSeq") not in (None, len(events)):
            return 409, {"code": "ORDER_CHANGED", "message": "changed meanwhile", "details": []}
        if method == "DELETE":
            await self.happens(order_id, "canceled")
        if method == "PATCH":
            await self.happens(order_id, "open", amended=body)
        return 200, self._body(order_id)

    def _body(self, order_id: str) -> Frame:
        first, last = self.orders[order_id][0], self.orders[order_id][-1]
        return {
            **last,
            "type": self.terms[order_id].get("type", "market"), "inputToken": "SOL", "outputToken": "USDC",
            "swapMode": "exactIn", "amount": "1",
            "acceptedAt": first["at"], "validUntil": AT, "updatedAt": last["at"],
        }  # fmt: skip
