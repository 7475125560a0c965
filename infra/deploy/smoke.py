"""A smoke order: the shortest proof that a deployed stage works, from the socket to the chain and back."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from websockets.sync.client import connect

_FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
_ORDER: Final = {"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}
_TIME_LIMIT_S: Final = 60.0


class SmokeOrderError(RuntimeError):
    """The order did not end as ``confirmed``."""


def smoke_order(url: str, *, token: str | None, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Submit a small order over WebSocket and read its events to the last; return its frames.

    Raises:
        SmokeOrderError: It was refused, ended otherwise, or did not end in a minute.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else None
    frames: list[dict[str, Any]] = []
    deadline = time.monotonic() + _TIME_LIMIT_S
    # The first connection to a new stage pays every cold start.
    with connect(url, additional_headers=headers, open_timeout=_TIME_LIMIT_S) as socket:
        socket.send(json.dumps({**_ORDER, "clientOrderId": f"smoke-{time.time_ns()}"}))
        while not frames or frames[-1].get("status") not in _FINAL:
            try:
                said = socket.recv(timeout=max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise SmokeOrderError(f"no end after {_TIME_LIMIT_S:.0f} s; last: {frames[-1:]}") from None
            try:
                frame = json.loads(said)
            except ValueError:
                # What an emulator's gateway says of a function that took too long is no JSON.
                raise SmokeOrderError(f"the gateway said: {said!r}") from None
            if frame.get("type") == "error" or ("message" in frame and "type" not in frame):
                raise SmokeOrderError(json.dumps(frame))
            frames.append(frame)
            say(f"  {frame.get('status', frame.get('type'))}")
    if frames[-1]["status"] != "confirmed":
        raise SmokeOrderError(json.dumps(frames[-1]))
    return frames
