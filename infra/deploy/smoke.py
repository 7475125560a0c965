"""A smoke order: the shortest proof that a deployed stage works, from the socket to the chain and back."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from websockets.sync.client import connect

_FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
_ORDER: Final = {"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}
_TIME_LIMIT_S: Final = 60.0


class SmokeOrderError(RuntimeError):
    """The order was not accepted in so many words, or did not end as ``confirmed``."""


def smoke_order(url: str, *, token: str | None, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Submit a small order over WebSocket and read its events to the last; return its frames.

    Raises:
        SmokeOrderError: It was refused, ended otherwise, did not end in a minute, or its frame was not
            answered: without its route response a stage executes orders and answers nothing. Or an empty
            frame came: with a route response API Gateway may send one for a function's empty result.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else None
    frames: list[dict[str, Any]] = []
    deadline = time.monotonic() + _TIME_LIMIT_S
    # The first connection to a new stage pays every cold start.
    with connect(url, additional_headers=headers, open_timeout=_TIME_LIMIT_S) as socket:
        # It changes nothing, and is answered by a post on every stage.
        socket.send(json.dumps({"action": "unsubscribe", "orderId": str(uuid4())}))
        socket.send(json.dumps({**_ORDER, "clientOrderId": f"smoke-{time.time_ns()}"}))
        # Events may overtake the answer.
        while (awaited := still_awaited(frames)) is not None:
            try:
                said = socket.recv(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise SmokeOrderError(
                    f"no {awaited} after {_TIME_LIMIT_S:.0f} s; last: {frames[-1:]}"
                ) from None
            if not said:
                raise SmokeOrderError("an empty frame came: deploy with ORDERFLOW_ROUTE_RESPONSES=0")
            try:
                frame = json.loads(said)
            except ValueError:
                # What an emulator's gateway says of a function that took too long is no JSON.
                raise SmokeOrderError(f"the gateway said: {said!r}") from None
            if frame.get("type") == "error" or ("message" in frame and "type" not in frame):
                raise SmokeOrderError(json.dumps(frame))
            if frame.get("type") == "unsubscribed":
                continue
            frames.append(frame)
            say(f"  {frame.get('status', frame.get('type'))}")
    end = next(frame for frame in frames if frame.get("status") in _FINAL)
    if end["status"] != "confirmed":
        raise SmokeOrderError(json.dumps(end))
    return frames


def still_awaited(frames: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what a smoke order's client has not got yet; None if it has its answer and its order's end."""
    if not any(frame.get("status") in _FINAL for frame in frames):
        return "end"
    return None if any(frame["type"] == "accepted" for frame in frames) else "answer"
