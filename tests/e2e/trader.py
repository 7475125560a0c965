"""A client that knows the contract and nothing else about us."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlencode

import httpx
from websockets.sync.client import connect

Frame = dict[str, Any]
Found = TypeVar("Found")

FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
LIFE: Final = ["pending", "routing", "routed", "building", "submitted", "confirmed"]
TIME_LIMIT_S: Final = 120.0


class Trader:
    """One WebSocket connection; keeps every frame it has received,
    in order, and what batches hold in their place.

    ``received`` has the frames as they came.
    """

    def __init__(self, url: str, query: Mapping[str, str] | None = None) -> None:
        # The proxy settings of the shell are for the internet, not for this machine.
        address = f"{url}?{urlencode(query)}" if query else url
        self._open = ExitStack()
        self._connection = self._open.enter_context(
            connect(address, proxy=None, max_size=None, open_timeout=TIME_LIMIT_S, close_timeout=2)
        )
        self._marks = count(1)
        self.frames: list[Frame] = []
        self.received: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._open.close()

    def send_text(self, text: str) -> None:
        self._connection.send(text)

    def send_in_parts(self, *parts: str) -> None:
        """Send one message in several WebSocket frames."""
        self._connection.send(parts)

    def send(self, **members: Any) -> None:
        self.send_text(json.dumps(members))

    def receive(self) -> Frame:
        frame: Frame = json.loads(self._connection.recv(timeout=TIME_LIMIT_S))
        self.received.append(frame)
        self.frames += frame["frames"] if frame["type"] == "batch" else [frame]
        return frame

    def until(self, found: Callable[[], Found | None]) -> Found:
        """Receive until ``found`` returns something."""
        while not (result := found()):
            self.receive()
        return result

    def ask(self, **members: Any) -> Frame:
        """Send a frame and return its answer, whatever else comes before it."""
        mark = f"r{next(self._marks)}"
        self.send(requestId=mark, **members)
        return self.until(lambda: next((f for f in self.frames if f.get("requestId") == mark), None))

    def is_open(self) -> bool:
        """Return whether the engine still answers on this connection."""
        return bool(self.ask(action="ping")["type"] == "pong")

    def submit(self, **fields: Any) -> str:
        """Submit an order; return its id once it is accepted."""
        accepted = self.ask(action="submit", **fields)
        assert accepted["type"] == "accepted", accepted
        order_id: str = accepted["orderId"]
        return order_id

    def quote(self, **swap: Any) -> Frame:
        """Return what a swap would get: asked again while the machine is too busy to hear of the market."""
        until = time.monotonic() + TIME_LIMIT_S
        while (told := self.ask(action="quote", **swap))["type"] != "quote":
            assert told["code"] in {"NO_ROUTE", "SERVICE_UNAVAILABLE"}, told
            assert time.monotonic() < until, told
            time.sleep(0.05)
        return told

    def events(self, order_id: str | None = None) -> list[Frame]:
        """Return the events received so far, of one order or of all."""
        return [
            frame
            for frame in self.frames
            if frame["type"] == "order" and order_id in (None, frame["orderId"])
        ]

    def finished(self, order_id: str) -> list[Frame]:
        """Wait for an order's final event; return all that came of it."""
        return self.until(
            lambda: events if (events := self.events(order_id)) and is_final(events[-1]) else None
        )

    def put_right(self, order_id: str) -> list[Frame]:
        """Wait until every event of an order has come, to the final one; return each once, by its number.

        Two that move an order on, one after the other, may tell an event twice, or late; what is told twice
        is the same, but for the ``requestId`` of a client's own change, which is told to it once.
        """

        def found() -> list[Frame] | None:
            by_seq: dict[int, Frame] = {}
            for event in self.events(order_id):
                known = by_seq.setdefault(event["seq"], event)
                assert {**known, "requestId": None} == {**event, "requestId": None}
                if "requestId" in event:
                    by_seq[event["seq"]] = event
            events = [by_seq[seq] for seq in sorted(by_seq)]
            is_whole = bool(events) and events[-1]["seq"] == len(events) and is_final(events[-1])
            return events if is_whole else None

        return self.until(found)

    def first_order(self) -> str:
        """Wait for the first event of any order; return the order's id."""
        return str(self.until(self.events)[0]["orderId"])


def following(url: str, order_id: str, **query: str) -> Trader:
    """Connect with an order that was accepted, again while it is not on record.

    A connection waits a second and a half for that, or less if others have waited in vain.
    """
    while True:
        trader = Trader(url, {"orderId": order_id, **query})
        if trader.receive().get("code") != "ORDER_NOT_FOUND":
            return trader
        trader.close()


def recorded(rest: httpx.Client, order_id: str) -> Frame:
    """Return an order that was accepted, once it is on record."""
    while (answer := rest.get(f"/orders/{order_id}")).status_code == httpx.codes.NOT_FOUND:
        pass
    order: Frame = answer.raise_for_status().json()
    return order


def is_final(event: Frame) -> bool:
    return event["status"] in FINAL


def statuses(events: list[Frame]) -> list[str]:
    return [event["status"] for event in events]


def assert_whole(events: list[Frame], *, after_seq: int = 0) -> None:
    """One order's events from some point on: gapless, in order, and ended exactly once, by the last."""
    assert len({event["orderId"] for event in events}) == 1
    assert [event["seq"] for event in events] == list(range(after_seq + 1, after_seq + 1 + len(events)))
    assert [is_final(event) for event in events] == [False] * (len(events) - 1) + [True]
