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
from tests.chaos.waiting import a_change, a_waiting_order, broken_promises, terms_before

ANSWER_S: Final = 6.0
RECONNECT_S: Final = 0.3
PAIRS: Final = (("SOL", "USDC"), ("USDC", "SOL"), ("ETH", "USDC"), ("SOL", "JUP"))
SLIPPAGES: Final = (0, 50, 500, 5_000)
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
    """One trader on a WebSocket, who may want events in batches.

    Attributes:
        knows_waiting: It uses what came after 0.2.0: orders that wait, and several in one request.
    """

    knows_waiting = True

    def __init__(self, name: str, url: str, dice: Random) -> None:
        self.streams = Streams()
        self._name = name
        self._url = dice.choice([url, f"{url}?batch=1"])
        self._dice = dice
        self._count = 0
        self._unanswered: dict[str, tuple[float, Frame]] = {}
        self._orders: dict[str, Frame] = {}
        self._is_loading = True

    @property
    def is_answered(self) -> bool:
        return not self._unanswered

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
        """Submit an order, now and then twice, or some together."""
        if self._dice.random() < 0.15 and self.knows_waiting:
            orders = [self._an_order() for _ in range(self._dice.randint(2, 4))]
            request_id, frame = f"ob{self._count}", {"action": "submitBatch", "orders": orders}
        else:
            order = self._an_order()
            request_id, frame = f"o{self._count}", {"action": "submit", **order}
        await self._send(connection, request_id, frame)
        if self._dice.random() < 0.1:
            await self._send(connection, request_id, frame)

    def _an_order(self) -> Frame:
        self._count += 1
        key = f"{self._name}-{self._count}"
        waits = self._dice.random() < 0.6 and self.knows_waiting
        self._orders[key] = a_waiting_order(self._dice) if waits else self._market_order()
        return {"clientOrderId": key, **self._orders[key]}

    def _market_order(self) -> Frame:
        given, wanted = self._dice.choice(PAIRS)
        return {
            "inputToken": given,
            "outputToken": wanted,
            "amount": f"0.{self._dice.randint(1, 99):02}",
            "slippageBps": self._dice.choice(SLIPPAGES),
        }

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
                if frame["status"] == "open":
                    await self._think_again(connection, frame)
            case "accepted":
                self.streams.accepted(frame["orderId"])
                self._unanswered.pop(request_id, None)
                if self._dice.random() < 0.05:
                    await connection.send(json.dumps({"action": "cancel", "orderId": frame["orderId"]}))
            case "acceptedBatch" if request_id in self._unanswered:
                self._take_results(request_id, frame["results"])
            case "subscribed":
                self._unanswered.pop(request_id, None)
            case "error" if request_id in self._unanswered:
                assert frame["code"] in _PASSING, frame
                self._ask_again_soon(request_id)

    def _take_results(self, request_id: str, results: list[Frame]) -> None:
        """Note which orders of a batch were accepted; while one was not, the whole batch is sent again."""
        is_whole = True
        for result in results:
            code = result.get("code")
            assert code in {None, *_PASSING}, result
            if code is None:
                self.streams.accepted(result["orderId"])
            is_whole = is_whole and code is None
        if is_whole:
            self._unanswered.pop(request_id)
        else:
            self._ask_again_soon(request_id)

    def _ask_again_soon(self, request_id: str) -> None:
        """Have a request sent again a second from now."""
        _, asked = self._unanswered[request_id]
        now = asyncio.get_running_loop().time()
        self._unanswered[request_id] = (now - ANSWER_S + 1.0, asked)

    async def _think_again(self, connection: ClientConnection, opened: Frame) -> None:
        """Amend or cancel an order that rests, now and then; whether that comes in time its stream tells."""
        if not self._is_loading:
            return
        frames: list[Frame] = []
        if self._dice.random() < 0.3:
            changes = a_change(self._dice, self._orders[opened["clientOrderId"]])
            seq = {"ifSeq": opened["seq"]} if self._dice.random() < 0.5 else {}
            frames.append({"action": "amend", "orderId": opened["orderId"], **seq, **changes})
        if self._dice.random() < 0.1:
            frames.append({"action": "cancel", "orderId": opened["orderId"]})
        if self._dice.random() < 0.03:
            filters: list[Frame] = [{"types": ["sniper"]}, {"baseAsset": "SOL"}]
            frames.append({"action": "cancelAll", **self._dice.choice(filters)})
        for frame in frames:
            await connection.send(json.dumps(frame))

    def resting(self) -> Iterator[tuple[str, Frame, bool]]:
        """Yield orders that rest, the terms that they rest on, and whether they were triggered."""
        for order_id, key, events in self.streams.told():
            if events[-1]["status"] == "open":
                is_triggered = any(event["status"] == "triggered" for event in events)
                yield order_id, terms_before(self._orders[key], events), is_triggered

    def rested(self, and_then: str = "open") -> int:
        """Return how many orders rested, and had another status too."""
        return sum(
            {"open", and_then} <= {event["status"] for event in events}
            for _, _, events in self.streams.told()
        )

    def broken_promises(self) -> Iterator[str]:
        """Yield what orders got that their terms do not allow."""
        for order_id, key, events in self.streams.told():
            for problem in broken_promises(self._orders[key], events):
                yield f"{order_id}: {problem}"


class RestClient:
    """One trader on REST: submits with an idempotency key until it is accepted, and reads in the end."""

    def __init__(self, name: str, url: str, dice: Random) -> None:
        self._name = name
        self._client = httpx.AsyncClient(base_url=url, timeout=5, trust_env=False)
        self._dice = dice
        self._count = 0
        self._is_loading = True
        self._bodies: dict[str, Frame] = {}

    @property
    def order_ids(self) -> list[str]:
        return [*self._bodies]

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
            self._bodies[answer["orderId"]] = body
            await asyncio.sleep(self._dice.expovariate(1))

    async def problems(self) -> list[str]:
        """Read every accepted order; return what is wrong with their events, and promises that they break."""
        streams = Streams()
        for order_id in self._bodies:
            streams.accepted(order_id)
            for event in (await self._insist("GET", f"/orders/{order_id}/events", {}, None))["events"]:
                streams.saw(event)
        await self._client.aclose()
        broken = [
            f"{order_id}: {problem}"
            for order_id, _, events in streams.told()
            for problem in broken_promises(self._bodies[order_id], events)
        ]
        return [*streams.problems(), *broken]

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
