"""Load: clients that never give up, and use nothing but what the documentation allows.

A request without an answer, or refused for a passing reason, is sent again with the same
``clientOrderId``. After a lost connection the client subscribes anew, from the last event up to
which it has seen everything. It does not poll: an open connection has to bring the whole stream.
"""

import asyncio
import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.chaos.streams import Frame, Streams

ANSWER_S: Final = 6.0
RECONNECT_S: Final = 0.3
PAIRS: Final = (("SOL", "USDC"), ("USDC", "SOL"))
_PASSING: Final = frozenset(
    {
        "SERVICE_UNAVAILABLE",
        "OUTCOME_UNKNOWN",
        "INTERNAL_ERROR",
        "ORDER_NOT_FOUND",
        "RATE_LIMITED",
        "TOO_MANY_OPEN_ORDERS",
    }
)


class SocketClient:
    """One trader on a WebSocket, who may want events in batches."""

    def __init__(self, name: str, url: str, dice: Random) -> None:
        self.streams = Streams()
        self._name = name
        self._url = dice.choice([url, f"{url}?batch=1"])
        self._dice = dice
        self._count = 0
        self._unanswered: dict[str, tuple[float, Frame]] = {}
        self._is_loading = True

    @property
    def is_content(self) -> bool:
        """Whether every order was accepted, and every stream has come to its end."""
        return not self._unanswered and not self.streams.unfinished()

    def stop_loading(self) -> None:
        self._is_loading = False

    async def run(self) -> None:
        """Stay connected until canceled."""
        while True:
            try:
                async with connect(self._url, proxy=None, open_timeout=5, close_timeout=1) as connection:
                    await self._trade(connection)
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException):
                await asyncio.sleep(RECONNECT_S)

    async def _trade(self, connection: ClientConnection) -> None:
        await self._take_up(connection)
        next_order_at = asyncio.get_running_loop().time()
        while True:
            now = asyncio.get_running_loop().time()
            if self._is_loading and now >= next_order_at:
                await self._submit(connection)
                next_order_at = now + self._dice.expovariate(2)
            for request_id, (sent_at, frame) in list(self._unanswered.items()):
                if now - sent_at > ANSWER_S:
                    await self._send(connection, request_id, frame)
            try:
                async with asyncio.timeout(0.1):
                    await self._take(connection, json.loads(await connection.recv()))
            except TimeoutError:
                continue

    async def _take_up(self, connection: ClientConnection) -> None:
        """Go on where the last connection broke off."""
        self._unanswered = {key: each for key, each in self._unanswered.items() if key[0] == "o"}
        for request_id, (_, frame) in list(self._unanswered.items()):
            await self._send(connection, request_id, frame)
        for order_id in self.streams.unfinished():
            frame = {"action": "subscribe", "orderId": order_id, "afterSeq": self.streams.whole_to(order_id)}
            await self._send(connection, f"s{order_id}", frame)

    async def _submit(self, connection: ClientConnection) -> None:
        self._count += 1
        given, wanted = self._dice.choice(PAIRS)
        frame = {
            "action": "submit",
            "clientOrderId": f"{self._name}-{self._count}",
            "inputToken": given,
            "outputToken": wanted,
            "amount": f"0.{self._dice.randint(1, 99):02}",
            "slippageBps": self._dice.choice([0, 50, 500]),
        }
        request_id = f"o{self._count}"
        await self._send(connection, request_id, frame)
        if self._dice.random() < 0.1:
            await self._send(connection, request_id, frame)

    async def _send(self, connection: ClientConnection, request_id: str, frame: Frame) -> None:
        self._unanswered[request_id] = (asyncio.get_running_loop().time(), frame)
        await connection.send(json.dumps({"requestId": request_id, **frame}))

    async def _take(self, connection: ClientConnection, frame: Frame) -> None:
        request_id = frame.get("requestId") or ""
        match frame.get("type"):
            case "batch":
                for member in frame["frames"]:
                    await self._take(connection, member)
            case "order":
                self.streams.saw(frame)
            case "accepted":
                self.streams.accepted(frame["orderId"])
                self._unanswered.pop(request_id, None)
                if self._dice.random() < 0.05:
                    await connection.send(json.dumps({"action": "cancel", "orderId": frame["orderId"]}))
            case "subscribed":
                self._unanswered.pop(request_id, None)
            case "error" if request_id in self._unanswered:
                assert frame["code"] in _PASSING, frame
                # It is sent again a second from now.
                _, asked = self._unanswered[request_id]
                now = asyncio.get_running_loop().time()
                self._unanswered[request_id] = (now - ANSWER_S + 1.0, asked)


class RestClient:
    """One trader on REST: submits with an idempotency key until it is accepted, and reads in the end."""

    def __init__(self, name: str, url: str, dice: Random) -> None:
        self._name = name
        self._client = httpx.AsyncClient(base_url=url, timeout=5, trust_env=False)
        self._dice = dice
        self._count = 0
        self._is_loading = True
        self.order_ids: list[str] = []

    def stop_loading(self) -> None:
        self._is_loading = False

    async def run(self) -> None:
        """Submit orders until the load is stopped; return when the last one is accepted."""
        while self._is_loading:
            self._count += 1
            given, wanted = self._dice.choice(PAIRS)
            body = {"inputToken": given, "outputToken": wanted, "amount": f"0.{self._dice.randint(1, 99):02}"}
            answer = await self._insist(
                "POST", "/orders", {"Idempotency-Key": f"{self._name}-{self._count}"}, body
            )
            self.order_ids.append(answer["orderId"])
            await asyncio.sleep(self._dice.expovariate(1))

    async def problems(self) -> list[str]:
        """Read every accepted order; return what is wrong with their events."""
        streams = Streams()
        for order_id in self.order_ids:
            streams.accepted(order_id)
            for event in (await self._insist("GET", f"/orders/{order_id}/events", {}, None))["events"]:
                streams.saw(event)
        await self._client.aclose()
        return list(streams.problems())

    async def _insist(self, method: str, path: str, headers: dict[str, str], body: object) -> dict[str, Any]:
        while True:
            try:
                answer = await self._client.request(method, path.lstrip("/"), headers=headers, json=body)
            except httpx.HTTPError:
                await asyncio.sleep(RECONNECT_S)
                continue
            if answer.is_success:
                parsed: dict[str, Any] = answer.json()
                return parsed
            assert answer.status_code in {404, 429, 500, 502, 503, 504}, answer.text
            await asyncio.sleep(RECONNECT_S)


def named_dice(seed: int) -> Iterator[Random]:
    """Yield dice that do not depend on each other, all from one seed."""
    source = Random(seed)
    while True:
        yield Random(source.getrandbits(64))
