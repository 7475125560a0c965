"""A smoke order: the shortest proof that a deployed stage works, from the socket to the chain and back."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from infra.loopback import is_here

_FINAL: Final = frozenset({"confirmed", "failed", "canceled", "expired"})
_ORDER: Final = {"action": "submit", "inputToken": "SOL", "outputToken": "USDC", "amount": "0.01"}
TIME_LIMIT_S: Final = 60
_AGAIN_AFTER_S: Final = 2.0


class SmokeOrderError(RuntimeError):
    """The order was not accepted in so many words, or did not end as ``confirmed``."""


def smoke_order(
    url: str, *, token: str | None, say: Callable[[str], None], time_limit_s: float = TIME_LIMIT_S
) -> list[dict[str, Any]]:
    """Submit a small order over WebSocket and read its events to the last; return its frames.

    Raises:
        SmokeOrderError: There was no connection in time, or the order was refused, ended otherwise, did not
            end in time, or its frame was not answered: without its route response a stage executes orders and
            answers nothing. Or an empty frame came: with a route response API Gateway may send one for a
            function's empty result.
    """
    frames: list[dict[str, Any]] = []
    deadline = time.monotonic() + time_limit_s
    with _connected(url, {"Authorization": f"Bearer {token}"} if token else None, deadline) as socket:
        try:
            # It changes nothing, and is answered by a post on every stage.
            socket.send(json.dumps({"action": "unsubscribe", "orderId": str(uuid4())}))
            socket.send(json.dumps({**_ORDER, "clientOrderId": f"smoke-{time.time_ns()}"}))
            # Events may overtake the answer.
            while (awaited := still_awaited(frames)) is not None:
                frame = _next_frame(socket, awaited, deadline, frames)
                if frame.get("type") == "unsubscribed":
                    continue
                frames.append(frame)
                say(f"  {frame.get('status', frame.get('type'))}")
        except ConnectionClosed as closed:
            raise SmokeOrderError(f"the connection ended ({closed}); last: {frames[-1:]}") from closed
    end = next(frame for frame in frames if frame.get("status") in _FINAL)
    if end["status"] != "confirmed":
        raise SmokeOrderError(json.dumps(end))
    return frames


def _connected(url: str, headers: Mapping[str, str] | None, deadline: float) -> ClientConnection:
    """Return a connection. The first to a new stage pays every cold start, and its name may not be known yet.

    Raises:
        SmokeOrderError: The handshake was refused, or none was answered in time.
    """
    while True:
        left_s = max(0.1, deadline - time.monotonic())
        try:
            return connect(
                url,
                additional_headers=headers,
                open_timeout=left_s,
                proxy=None if is_here(url) else True,
            )
        except InvalidStatus as refused:
            status = refused.response.status_code
            hint = "; is --token one of the issuer that the stage asks?" if status in {401, 403} else ""
            told = SmokeOrderError(f"the handshake was refused with {status}{hint}")
            # MiniStack says 403 for a function of any status, and for one that failed or was too slow.
            if status < 500 and not (status == 403 and is_here(url)):
                raise told from refused
        except (OSError, InvalidHandshake) as error:
            told = SmokeOrderError(f"{url} does not answer: {error}")
        if time.monotonic() + _AGAIN_AFTER_S > deadline:
            raise told
        time.sleep(_AGAIN_AFTER_S)


def _next_frame(
    socket: ClientConnection, awaited: str, deadline: float, frames: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    try:
        said = socket.recv(timeout=max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        raise SmokeOrderError(f"no {awaited} in time (--smoke-time-limit); last: {frames[-1:]}") from None
    if not said:
        raise SmokeOrderError("an empty frame came: deploy with ORDERFLOW_ROUTE_RESPONSES=0")
    try:
        frame: dict[str, Any] = json.loads(said)
    except ValueError:
        # What an emulator's gateway says of a function that took too long is no JSON.
        raise SmokeOrderError(f"the gateway said: {said!r}") from None
    if frame.get("type") == "error" or ("message" in frame and "type" not in frame):
        raise SmokeOrderError(json.dumps(frame))
    return frame


def still_awaited(frames: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what a smoke order's client has not got yet; None if it has its answer and its order's end."""
    if not any(frame.get("status") in _FINAL for frame in frames):
        return "end"
    return None if any(frame["type"] == "accepted" for frame in frames) else "answer"
